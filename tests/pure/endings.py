"""How every history ends: whoever types what the hints say comes to the state that an undisturbed upgrade leaves behind."""

import re
from collections.abc import Callable, Iterator
from functools import partial

from rollout import journal, repairs
from rollout.batches import UNGATED
from rollout.errors import Locked, PlanRefused, StepFailed, StormliftError
from rollout.execute import PLAN_FILE
from rollout.locks import DEAD_S
from rollout.model import Finding, Severity
from rollout.roll import Outcome
from rollout.versions import order
from tests.pure import promises
from tests.pure.controller import Controller
from tests.pure.promises import Broken
from tests.pure.simulation import Simulation

LAST = "2.2.1"
BY = "cid@desk"
COMMANDS = 12
Command = Callable[[Controller], list[Outcome]]


def all_end_well(sim: Simulation) -> None:
    """5. The same command again reaches the same final state as an undisturbed run, or stops with a question it names."""
    sim.end()
    sim.go_on()
    for name, world in sim.worlds.items():
        world.failing.clear()
        _typed(sim, partial(Controller.resume, words=name))
        if release := _overtaken(sim, name):
            _typed(sim, partial(Controller.baseline, words=name, release=release, abandon=True))
        _upgrade(sim, name)
        _typed(sim, partial(Controller.repair, words=name, command="services.start", plan_of=repairs.start_services))
        if wrong := list(_wrong(sim, name)):
            raise Broken(f"5: {name} at its end: {wrong[0]}")


def _overtaken(sim: Simulation, name: str) -> str:
    """The release that an operator says the deployment is at, when somebody took the packages by hand beyond a stop, or the
    target, that an open run has not settled: the step of an older release may have no working copy in what is there.

    It is the newest one whose way is through everywhere: what the open run had begun is planned again. "" otherwise.
    """
    boxes = sim.estates[name].boxes
    newest = max((box.release(package) for box in boxes.values() for package in box.installed), key=order)
    for opened in _open(sim, name):
        plan = promises.plan_of(sim.machines[opened.host].kept[opened.run, PLAN_FILE])
        records = sim.records(opened.host)
        settled = {str(r.data["release"]) for r in records if r.event == "settled" and r.run == opened.run}
        if any(order(hop) < order(newest) for hop in {phase.hop for phase in plan.phases} - settled):
            return max({plan.origin, *settled}, key=order)
    return ""


def _upgrade(sim: Simulation, name: str) -> None:
    """Type the upgrade, and what its errors ask for, until it is through."""
    said = []
    for _ in range(COMMANDS):
        to = next((str(run.data["to"]) for run in _open(sim, name)), LAST)
        typing = _typed(
            sim, partial(Controller.upgrade, words=name, to=to, pace=UNGATED, answers={"test.question": "again"})
        )
        error = typing.error or next((each for each in typing.errors), None)
        if error is None and to == LAST:
            return
        said.append(f"{type(error).__name__}: {error}")
        if error is not None:
            assert isinstance(error, StormliftError)
            _mend(sim, name, typing, error)
    raise Broken(f"5: {name}: what the hints say does not lead out: {said}")


def _mend(sim: Simulation, name: str, typing: Controller, error: StormliftError) -> None:
    step = error.step if isinstance(error, StepFailed) else ""
    if "mistral.recover" in error.hint or step.endswith("mistral.ready"):
        _repair(sim, name, "mistral.recover")
    for finding in typing.findings:
        _settle(sim, name, finding)


def _settle(sim: Simulation, name: str, finding: Finding) -> None:
    """What the operator does about a finding, by its remedy."""
    boxes = sim.estates[name].boxes
    if finding.severity is not Severity.INHIBITOR:
        return
    if release := re.search(r"migrations.baseline .* --release (\S+)", finding.remedy):
        _typed(sim, lambda typing: typing.baseline(name, release.group(1)))
    elif finding.key == "packages-half-configured":
        boxes[finding.host].half_configured = False
    elif finding.key == "versions-mixed":
        newest = max((box.release(package) for box in boxes.values() for package in box.installed), key=order)
        for host in boxes:
            sim.estates[name].stop(host, boxes[host].known)
            sim.estates[name].by_hand(host, newest)
    elif command := re.search(r"invoke (services.start|mistral.upgrade)", finding.remedy):
        _repair(sim, name, command.group(1))


def _repair(sim: Simulation, name: str, command: str) -> None:
    """Type COMMAND, and the one that its refusal asks for."""
    planners = {"services.start": repairs.start_services, "mistral.upgrade": repairs.upgrade_mistral}
    if command == "mistral.recover":
        _typed(sim, lambda typing: typing.repair(name, command, lambda d, f: repairs.recover(d, f, True), True))
        return
    error = _typed(sim, lambda typing: typing.repair(name, command, planners[command])).error
    if isinstance(error, PlanRefused) and (other := re.search(r"invoke (mistral\.\w+)", error.hint)):
        _repair(sim, name, other.group(1))


def _typed(sim: Simulation, command: Command) -> Controller:
    """Type COMMAND; where somebody who is dead holds the lock, take it from him and type it again."""
    sim.clock.sleep(DEAD_S + 10)
    typing = Controller(sim, BY).begin(command)
    sim.play(0)
    if not any(isinstance(each, Locked) for each in (*typing.errors, typing.error)):
        return typing
    Controller(sim, BY).begin(lambda again: again.release_locks(",".join(sim.estates)))
    sim.play(0)
    again = Controller(sim, BY).begin(command)
    sim.play(0)
    return again


def _open(sim: Simulation, name: str) -> list[journal.Record]:
    return [run for host in sim.estates[name].boxes if (run := journal.open_run(sim.journal(host)[0]))]


def _wrong(sim: Simulation, name: str) -> Iterator[str]:
    """What is not as an undisturbed upgrade leaves it."""
    estate = sim.estates[name]
    lied = any(r.data.get("baseline") for host in estate.boxes for r in sim.journal(host)[0] if r.event == "settled")
    if (estate.shared.unscoped or estate.shared.old) and not lied:
        yield f"keys were not migrated: {estate.shared.unscoped} without a scope, {estate.shared.old} in an old one"
    if estate.shared.early or estate.shared.revision != "020":
        yield f"Mistral's database is at {estate.shared.revision}, with {estate.shared.early}"
    for host, box in estate.boxes.items():
        if {box.release(package) for package in box.installed} != {LAST}:
            yield f"{host}: packages {box.installed}"
        if box.held or box.half_configured:
            yield f"{host}: held {box.held}, half configured {box.half_configured}"
        if down := box.enabled & set(box.known) - box.alive:
            yield f"{host}: {down} are down"
        if host in sim.locks or _open(sim, name):
            yield f"{host}: a lock or a run is left"
