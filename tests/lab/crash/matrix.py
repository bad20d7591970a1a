"""Run cells of the crash matrix: a base run with a snapshot before every step, then cut off, same command, compare."""

import json
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lab.fleet import Fleet
from lab.topology import deployment
from tests.lab.crash.cells import Cell, Point, cells, points
from tests.lab.crash.stage import END_S, NeverReached, Stage, usual_seconds
from tests.lab.crash.state import difference, final_state, journal_facts
from tests.lab.desk import Operator

RELEASE = "1.4.0"
HIT = {"apt1": "apt1", "pair": "yum2"}  # the host that a fault of a step on every host hits


@dataclass(frozen=True)
class Result:
    """How a cell came out: `problems` is empty when the end was that of an undisturbed run.

    codes  exit codes of the run that was cut off (-9: killed) and of the same command afterwards
    """

    cell: str
    codes: tuple[int, ...]
    reset_s: float
    seconds: float
    problems: tuple[str, ...] = ()


@dataclass
class Base:
    """The undisturbed run of one deployment: its points, snapshots, usual durations and final state."""

    stage: Stage
    points: tuple[Point, ...]
    usual: dict[str, float] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    snapshots: list[str] = field(default_factory=list)

    def cells(self) -> tuple[Cell, ...]:
        """Every cell of this deployment."""
        return cells(self.stage.deployment, self.points)

    def run(self, wanted: Iterable[str]) -> None:
        """Run the command without any disturbance, and keep what is on the disks right before each WANTED step."""
        stage, keys = self.stage, set(wanted)
        todo = {host: [p.key for p in self.points if host in p.hosts and p.key in keys] for host in self._hosts}
        for host, own in todo.items():
            if own:
                stage.arm(host, "before", own[0])
        run = stage.begins()
        for point in (point for point in self.points if point.key in keys):
            for host in point.hosts:
                stage.wait(host, run)
            stage.fleet.snapshot(snapshot_of(point), stage.deployment)
            self.snapshots.append(snapshot_of(point))
            for host in point.hosts:
                todo[host].remove(point.key)
                if todo[host]:
                    stage.arm(host, "before", todo[host][0])
                stage.go(host)
        said, _ = run.communicate(timeout=END_S)
        if run.returncode != 0:
            raise NeverReached(f"the undisturbed run of {stage.deployment} ended with {run.returncode}: {said[-3000:]}")
        self.usual = usual_seconds(stage.operator, stage.deployment)
        self.state = self.state or self.final()

    @property
    def _hosts(self) -> tuple[str, ...]:
        return deployment(self.stage.deployment).hosts

    def final(self) -> dict[str, Any]:
        """Everything that is compared; not the journal of a command that plans anew what was cut off."""
        state: dict[str, Any] = dict(final_state(self.stage.fleet, self.stage.deployment))
        if self.stage.command == "upgrade":
            journals = {host: self.stage.operator.journal(host) for host in self._hosts}
            state |= journal_facts(journals, self.points)
        return state

    def cell(self, cell: Cell) -> Result:
        """Run one cell, from its snapshot."""
        started = time.monotonic()
        reset_s = self.stage.boot(snapshot_of(cell.point), cell.point)
        return self.tried(cell, started, reset_s)

    def tried(self, cell: Cell, started: float, reset_s: float = 0.0) -> Result:
        """Run one cell on the hosts as they stand."""
        codes: list[int] = []
        problems: list[str] = []
        try:
            said = self.cut_off(cell, codes)
            if codes[0] not in (-9, 0, 3):
                problems.append(f"the run that was cut off ended with {codes[0]}: {said[-1500:]}")
            problems += [*self.again(codes), *difference(self.state, self.final())]
        except NeverReached as error:
            problems.append(str(error))
        return Result(cell.name, tuple(codes), round(reset_s, 1), round(time.monotonic() - started, 1), tuple(problems))

    def again(self, codes: list[int]) -> list[str]:
        """The same command; but a repair that got through all the same is over, and would refuse."""
        if codes[0] == 0 and self.stage.command != "upgrade":
            self.stage.settle()
            return []
        stage = self.stage
        again = stage.operator.types(stage.command, "--hosts", stage.deployment, "--yes", timeout=END_S)
        codes.append(again.code)
        return [f"the same command ended with {again.code}: {again.all[-2000:]}"] if again.code else []

    def cut_off(self, cell: Cell, codes: list[int]) -> str:
        self.stage.arm(cell.point.hit, cell.moment, cell.point.key)
        run = self.stage.begins()
        try:
            self.stage.wait(cell.point.hit, run)
            self.stage.cut(cell, run, self.usual.get(f"{cell.point.key} {cell.point.hit}", 0.0))
            said = "" if run.returncode is not None else run.communicate(timeout=END_S)[0]
        finally:
            if run.poll() is None:
                run.kill()
                run.communicate()
        codes.append(run.returncode)
        return said

    def forget(self) -> None:
        """Remove the snapshots."""
        for name in self.snapshots:
            self.stage.fleet.forget_snapshot(name, self.stage.deployment)


def snapshot_of(point: Point) -> str:
    """The name of the snapshot taken before POINT, fit for an image's tag."""
    return "crash-" + point.key.replace(":", "-")


def base(operator: Operator, name: str, command: str = "upgrade") -> Base:
    """The points of COMMAND on a deployment as it stands; nothing has run yet."""
    said = operator.types(command, "--hosts", name, "--dry", "--json")
    if said.code != 0:
        raise NeverReached(said.all)
    [planned] = said.json["deployments"]
    return Base(Stage(operator, name, command), points(planned, HIT.get(name, name)))


def run_cells(bases: Sequence[Base], wanted: Sequence[Cell], results: Path | None = None) -> list[Result]:
    """Run WANTED, deployments side by side; each result is appended to the file RESULTS as a line of JSON."""

    def of_one(each: Base) -> list[Result]:
        mine = [cell for cell in wanted if cell.deployment == each.stage.deployment]
        if not mine:
            return []
        each.run({cell.point.key for cell in mine})
        try:
            return [noted(each.cell(cell), results) for cell in mine]
        finally:
            each.forget()

    with ThreadPoolExecutor(len(bases)) as pool:
        return [result for part in pool.map(of_one, bases) for result in part]


def noted(result: Result, results: Path | None) -> Result:
    """RESULT, written down and said."""
    if results is not None:
        with results.open("a") as file:
            file.write(json.dumps(asdict(result)) + "\n")
    verdict = "ok" if not result.problems else "DIFFERS"
    print(f"{verdict:8}{result.cell:60} {result.codes} reset {result.reset_s} s, all {result.seconds} s", flush=True)
    return result


def operator_at(folder: Path, fleet: Fleet) -> Operator:
    """A desk in FOLDER whose hosts are those of FLEET."""
    from tests.lab.desk import write_inventory

    folder.mkdir(parents=True, exist_ok=True)
    write_inventory(folder, fleet)
    return Operator(folder, fleet)
