"""The promises of the design that no history may break, each told from what really happened on the hosts."""

import json
from collections.abc import Iterable, Iterator
from functools import lru_cache

import migrations
from rollout import journal
from rollout.codec import decode
from rollout.execute import PLAN_FILE, key_of
from rollout.journal import Record
from rollout.model import DeploymentPlan, Kind, Phase, PhasePlan, Repeat, Step
from rollout.stretches import STOPPING, segments
from rollout.versions import order
from tests.pure.commands import Begun, Hosts, header
from tests.pure.controller import Controller
from tests.pure.simulation import Simulation

RELEASE_OF = {step.id: migration.release for migration in migrations.ALL for step in migration.steps}
Place = tuple[int, int]


class Broken(AssertionError):
    """A promise was not kept; the message begins with its number."""


def all_kept(sim: Simulation) -> None:
    """Raises Broken for the first promise that SIM shows broken."""
    mistral_is_alone(sim)
    no_row_is_lost(sim)
    one_operator_at_a_time(sim)
    a_failure_stops(sim)
    a_pause_is_honoured(sim)
    a_gate_is_shut_before_the_sick(sim)
    nothing_begins_behind_ctrl_c(sim)
    steps_run_once_in_order(sim)


def mistral_is_alone(sim: Simulation) -> None:
    """2. Mistral's database is never upgraded while a mistral process or session lives on any host of the deployment,
    not even after a reboot in the middle."""
    for estate in sim.estates.values():
        if estate.upgraded_beside:
            raise Broken(f"2: the database was upgraded while mistral lived on {estate.upgraded_beside}")


def steps_run_once_in_order(sim: Simulation) -> None:
    """3. A finished step never runs again; none is skipped; order is version order; an interrupted one is decided by its
    repeat class. (What a run relies on, stopped and started, is brought about again: docs/decisions/0006.)"""
    for name, estate in sim.estates.items():
        for host in estate.boxes:
            records, damage = sim.journal(host)
            for run in dict.fromkeys(r.run for r in records if r.event == "opened" and not damage):
                _host_went_well(sim, sim.worlds[name], host, run, records)


def no_row_is_lost(sim: Simulation) -> None:
    """4. No table with rows in it is dropped without a dump and an explicit flag."""
    for estate in sim.estates.values():
        for drop in estate.drops:
            if drop.dumped < drop.rows:
                raise Broken(f"4: {drop.table} was dropped with {drop.rows} rows, the dump has {drop.dumped}")
            if drop.run not in sim.drop_rows_said:
                raise Broken(f"4: {drop.table} was dropped with {drop.rows} rows, and nobody had said --drop-rows")


def one_operator_at_a_time(sim: Simulation) -> None:
    """6. Two operators cannot work on one deployment at once; a dead holder's lock can be taken over."""
    if sim.stolen:
        raise Broken(f"6: {sim.stolen[0]}")
    if sim.strangers:
        raise Broken(f"6: {sim.strangers[0]}")
    for world in sim.worlds.values():
        for begun in world.begun:
            if header(begun.head)["fence"] != begun.holder:
                raise Broken(f"6: {begun.key} began on {begun.host} for {header(begun.head)['by']} without the lock")


def a_failure_stops(sim: Simulation) -> None:
    """7. A failure stops the rollout within its budget; deployments not attempted are untouched and named."""
    for each in sim.controllers:
        for name in _begun_too_late(each):
            raise Broken(f"7: {name} was begun although too much had failed")
        if each.outcomes and {outcome.name for outcome in each.outcomes} != set(each.rollout.names):
            raise Broken(f"7: of {each.rollout.names} only these were named: {each.outcomes}")
        if each.touched:
            raise Broken(f"7: {each.touched[0]} was not attempted, and something was done there")
    for name, world in sim.worlds.items():
        for end, begun in _behind_failures(sim, name, world):
            raise Broken(f"7: {begun.key} began on {begun.host} although {end.step} had failed on {end.host}")


def _begun_too_late(controller: Controller) -> Iterator[str]:
    """Deployments that were begun although the canary or more than the budget had failed before their batch."""
    failed: list[str] = []
    for number, names in enumerate(controller.rollout.batches if controller.outcomes else ()):
        came_out = {each.name: each.outcome for each in controller.outcomes if each.name in names}
        canary = set(controller.rollout.batches[0]) & set(failed)
        if number and (canary or len(failed) > controller.pace.max_failures):
            yield from (name for name, outcome in came_out.items() if outcome != "not attempted")
        failed += [name for name, outcome in came_out.items() if outcome == "failed"]


def a_pause_is_honoured(sim: Simulation) -> None:
    """A pause that was there when the upgrade was typed lets it wait where st2 still serves (docs/decisions/0007)."""
    for world in sim.worlds.values():
        stopping: set[str] = set()
        for begun in world.begun:
            head = header(begun.head)
            run, since = head["run"], sim.typed[head["run"], head["fence"]]
            if (
                begun.step.phase not in STOPPING
                or plan_of(sim.machines[begun.host].kept[run, PLAN_FILE]).command != "upgrade"
            ):
                continue
            if run not in stopping and begun.paused and begun.paused < since:
                raise Broken(f"pause: {begun.key} began on {begun.host} for {head['by']}, which was paused")
            stopping.add(run)


def a_gate_is_shut_before_the_sick(sim: Simulation) -> None:
    """No batch is begun while one of the batch before is sick, where a health gate was asked for."""
    if sim.unwell:
        raise Broken(f"gate: a batch was begun although {sim.unwell[0]}")


def nothing_begins_behind_ctrl_c(sim: Simulation) -> None:
    """Ctrl-C, once: no step begins on a host that heard of it, for the controller where it was pressed."""
    for world in sim.worlds.values():
        for begun in world.begun:
            head = header(begun.head)
            heard = sim.halted.get((head["run"], head["fence"], begun.host))
            if heard and begun.at > heard:
                raise Broken(f"ctrl-c: {begun.key} began on {begun.host} for {head['by']}, who had pressed Ctrl-C")


# --- how a host went through a run ---------------------------------------------------------------------------


@lru_cache(maxsize=64)
def plan_of(text: str) -> DeploymentPlan:
    """The plan that a host keeps."""
    return decode(DeploymentPlan, json.loads(text))


def places(plan: DeploymentPlan, host: str = "") -> Iterator[tuple[Place, PhasePlan, Step]]:
    """Every step (of HOST), with its place: which phase, and which part between two barriers."""
    for at, phase in enumerate(plan.phases):
        for part, steps in enumerate(segments(phase.steps)):
            yield from (((at, part), phase, step) for step in steps if not host or host in step.hosts)


def _host_went_well(sim: Simulation, world: Hosts, host: str, run: str, records: tuple[Record, ...]) -> None:
    plan = plan_of(sim.machines[host].kept[run, PLAN_FILE])
    mine = [r for r in records if r.run == run and r.host == host]
    done: list[str] = []
    known = {key_of(phase, step): (phase, step) for _, phase, step in places(plan, host)}
    for record in (r for r in mine if r.step):
        phase, step = known[record.step]
        if step.kind is Kind.CHECK:
            continue
        if record.event == "started":
            if record.step in done and phase.name not in (Phase.STOP, Phase.START):
                raise Broken(f"3: {host}: {record.step} had finished and ran again")
            _was_decided(sim, world, record, step, mine)
        elif record.event == "finished" and record.code == 0 and record.step not in done:
            done.append(record.step)
    wanted = [key for key, (_, step) in known.items() if step.kind is not Kind.CHECK]
    through = any(r.run == run and r.event == "closed" for r in records)
    if done != wanted[: len(done)] or (through and done != wanted):
        raise Broken(f"3: {host}: of the steps {wanted} of {run} these finished, in this order: {done}")
    _in_version_order(host, done)


def _was_decided(sim: Simulation, world: Hosts, record: Record, step: Step, mine: Iterable[Record]) -> None:
    """Raises Broken when RECORD starts a step again that was interrupted, and not by its repeat class."""
    known = [r for r in mine if r.step == record.step]
    before = known[: known.index(record)]
    if journal.status(before, record.run, record.step).state != "interrupted":
        return
    if step.repeat is Repeat.ASK and (record.run, record.fence) not in sim.answered:
        raise Broken(f"3: {record.host}: {record.step} was interrupted, and nobody was asked")
    asked = [each.part for each in world.ran if (each.host, each.key, each.attempt) == _which(record)]
    if step.repeat is Repeat.PROBE and asked and asked[0] != "prove":
        raise Broken(f"3: {record.host}: {record.step} was interrupted, and ran again without a look")


def _which(record: Record) -> tuple[str, str, int]:
    return record.host, record.step, record.attempt


def _in_version_order(host: str, done: Iterable[str]) -> None:
    hops: dict[str, list[str]] = {}
    for key in done:
        leg, _, step = key.partition(":")
        if step in RELEASE_OF:
            hops.setdefault(leg, []).append(step)
    for leg, steps in hops.items():
        for name in (Phase.MIGRATIONS, Phase.POST_START):
            releases = [RELEASE_OF[step] for step in steps if _phase_of(step) is name]
            if releases != sorted(releases, key=order):
                raise Broken(f"3: {host}: steps of {leg} ran in the order of {releases}")
    if list(hops) != sorted(hops, key=lambda leg: order(leg.partition("@")[0])):
        raise Broken(f"3: {host}: the hops ran in the order of {list(hops)}")


def _phase_of(step_id: str) -> Phase:
    return next(step.phase for migration in migrations.ALL for step in migration.steps if step.id == step_id)


def _behind_failures(sim: Simulation, name: str, world: Hosts) -> Iterator[tuple[Record, Begun]]:
    """What a controller began behind the next barrier after a step of its own that had failed for good."""
    for host in sim.estates[name].boxes:
        ended = {(r.run, r.fence, r.step): r for r in sim.journal(host)[0] if r.event == "finished" and r.host == host}
        for failed in (r for r in ended.values() if r.code):
            plan = plan_of(sim.machines[host].kept[failed.run, PLAN_FILE])
            where = {key_of(phase, step): place for place, phase, step in places(plan)}
            for begun in world.begun:
                head = header(begun.head)
                ours = (head["run"], head["fence"]) == (failed.run, failed.fence)
                if ours and where[begun.key] > where[failed.step]:
                    yield failed, begun
