"""Fail in a phase of an upgrade, go back, and find what was there before: cells of their own kind."""

import random
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from rollout.model import Phase
from tests.lab.crash.cells import Cell, Point
from tests.lab.crash.matrix import Base, Result, base, noted
from tests.lab.crash.stage import END_S
from tests.lab.crash.state import everything
from tests.lab.desk import Operator

HIT = {"apt1": "apt1", "yum1": "yum1", "pair": "yum2"}  # the host on which a step of every host fails
# failed: the step does its work and counts as failed; cut: controller, runner and command are killed in its middle.
FAULTS = ("failed", "cut")
# Of each phase the step that changes most.
_TELLING = ("fetch.packages", "before-stop.feeders", "stop.units", "backup.databases", "packages.set", "mistral.upgrade",
            "2.1.datastore-scopes", "config.register-all", "start.units", "verify.api", "settle.record")  # fmt: skip


@dataclass
class WayBack(Base):
    """An upgrade that fails somewhere; its state is what was there before it began."""

    def run(self, wanted: Iterable[str]) -> None:
        """Look at everything, then as a run of the crash matrix."""
        self.state = self.final()
        super().run(wanted)

    def final(self) -> dict[str, Any]:
        """Everything that must be as it was."""
        return dict(everything(self.stage.fleet, self.stage.deployment))

    def cells(self) -> tuple[Cell, ...]:
        """One of every phase and kind."""
        telling = [point for point in self.points if point.key.partition(":")[2] in _TELLING]
        assert {point.phase for point in telling} >= {point.phase for point in self.points} - {Phase.POST_START.value}
        return tuple(Cell(self.stage.deployment, point, fault, "during") for point in telling for fault in FAULTS)

    def cut_off(self, cell: Cell, codes: list[int]) -> str:
        """Let the upgrade fail at the step of CELL."""
        if cell.fault != "failed":
            return super().cut_off(cell, codes)
        self.stage.fail(cell.point.hit, cell.point.key)
        run = self.stage.begins()
        said = run.communicate(timeout=END_S)[0]
        codes.append(run.returncode)
        return said

    def again(self, codes: list[int]) -> list[str]:
        """Not the same command, but the way back."""
        stage = self.stage
        back = stage.operator.types("rollback", "--hosts", stage.deployment, "--yes", timeout=END_S)
        codes.append(back.code)
        return [f"the rollback ended with {back.code}: {back.all[-3000:]}"] if back.code else []


def ways_back(operator: Operator, names: Iterable[str]) -> list[WayBack]:
    """One for each of these deployments."""
    found = []
    for name in names:
        host = HIT[name]
        made = base(operator, name)
        points = tuple(_hit(point, host) for point in made.points)
        found.append(WayBack(made.stage, points))
    return found


def _hit(point: Point, host: str) -> Point:
    return Point(point.key, point.phase, point.kind, point.hosts, host if host in point.hosts else point.hosts[0])


def tried_once(ways: Sequence[WayBack], seed: int) -> list[Result]:
    """A cell of each deployment, drawn by a seed, on its way from where the deployment stands; side by side."""
    draw = random.Random(seed)

    def one(way: WayBack, cell: Cell) -> Result:
        started, way.state = time.monotonic(), way.final()
        return noted(way.tried(cell, started), None)

    with ThreadPoolExecutor(len(ways)) as pool:
        return list(pool.map(one, ways, [draw.choice(way.cells()) for way in ways]))
