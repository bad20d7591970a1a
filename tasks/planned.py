"""The road of `upgrade --plan`: the plan of a file, held against what hosts say now, and carried out as it stands."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rollout import codec
from rollout.errors import FactsMoved, PlanRefused, UsageError
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan, Hook
from rollout.moved import grounds, moved_facts, moved_hosts, moved_plan, standing
from rollout.plan import Plan, whole
from rollout.plan_file import PlanFile, masked
from tasks.edge import Desk
from tasks.plan import findings_of, waivers_of, work_of
from tasks.plan_file import read_file
from tasks.work import Work, fresh_run, open_work

MOST_LINES = 40


@dataclass(frozen=True)
class Flags:
    """What stood on the command line beside --plan; None is what was not given."""

    hosts: str
    to: str
    pace: Mapping[str, str | None]
    skip_unreachable: bool = False
    waive: tuple[str, ...] = ()
    external: str = ""


def works_of_file(sitting: Desk, name: str, flags: Flags) -> tuple[list[Work], Plan]:
    """The plan of the file NAME, as it stands. Raises PlanFileError, UsageError where FLAGS say something else, and
    FactsMoved, naming host and fact, before and now."""
    file = read_file(name)
    _agree(name, file, flags)
    selected = {each.name: each for each in _selected(sitting, name, file, flags).values()}
    wanted = [selected[each.name] for each in file.plan.deployments]
    facts = sitting.fleet.facts(host for each in wanted for host in each.hosts)
    run = fresh_run()
    works: list[Work] = []
    moved: list[str] = []
    current: list[Work] = []
    for deployment, plan in zip(wanted, file.plan.deployments, strict=True):
        here = {host.name: facts[host.name] for host in deployment.hosts}
        work, now, lines = _held_against(sitting, file, deployment, plan, here, run)
        works.append(work)
        current.append(now)
        moved += lines
    moved += _moved_hooks(sitting, file.plan)
    if moved:
        raise _moved(name, file, moved)
    findings = findings_of(current, waivers_of(file.asked.waive))
    return works, whole((work.plan for work in works), file.asked.pace, findings, sitting.hooks, file.plan.skipped)


def _agree(name: str, file: PlanFile, flags: Flags) -> None:
    """Raise UsageError where a flag says something else than the file."""
    pace = codec.encode(file.asked.pace)
    said = {flag: str(pace[flag if flag in pace else f"{flag}_s"]) for flag in flags.pace}
    wrong = [(flag, given, said[flag]) for flag, given in flags.pace.items() if given not in (None, said[flag])]
    targets = sorted({each.target for each in file.plan.deployments})
    if flags.to and [flags.to] != targets:
        wrong.append(("to", flags.to, " and ".join(targets)))
    if wrong:
        flag, given, there = wrong[0]
        flag = flag.replace("_", "-")
        raise UsageError(f"--{flag} {given}: {name} says {there}", f"leave --{flag} out, or: {file.again(name)}")
    if flags.waive and set(flags.waive) != set(file.asked.waive):
        raise UsageError(
            f"--waive: {name} waives {' and '.join(file.asked.waive) or 'nothing'}",
            f"leave --waive out, or: {replace(file, asked=replace(file.asked, waive=flags.waive)).again(name)}",
        )
    if flags.external and flags.external != file.asked.external:
        there = f"external: {file.asked.external}" if file.asked.external else "dumps"
        raise UsageError(
            f"--backup external: {name} says otherwise, {there}",
            f"leave it out, or: {replace(file, asked=replace(file.asked, external=flags.external)).again(name)}",
        )
    if flags.skip_unreachable:
        raise UsageError(
            "--skip-unreachable: with --plan all deployments of the file are upgraded", "leave --skip-unreachable out"
        )


def _selected(sitting: Desk, name: str, file: PlanFile, flags: Flags) -> dict[str, Deployment]:
    """The deployments of the file as the inventory has them now, by name."""
    try:
        there = {each.name: each for each in sitting.select(file.asked.hosts, whole=True).deployments}
    except UsageError as error:
        raise _moved(name, file, [f"the inventory: {error.message}"]) from None
    if moved := moved_hosts(file.plan, there.values()):
        raise _moved(name, file, list(moved))
    if flags.hosts:
        asked = {each.name for each in sitting.select(flags.hosts, whole=True).deployments}
        if asked != set(there):
            raise UsageError(
                f"--hosts {flags.hosts}: {name} is the plan of {', '.join(there)}",
                f"leave --hosts out, or: {replace(file, asked=replace(file.asked, hosts=flags.hosts)).again(name)}",
            )
    return there


def _held_against(
    sitting: Desk, file: PlanFile, deployment: Deployment, plan: DeploymentPlan, facts: dict[str, Facts], run: str
) -> tuple[Work, Work, tuple[str, ...]]:
    """The work that PLAN of the file is, the same as it would be planned now, and what moved between the two."""
    state = standing(plan, facts)
    if state == "open" and (taken_up := open_work(sitting, deployment, facts)):
        return taken_up, taken_up, ()
    if state == "done":
        over = replace(
            plan, phases=(), notes=(), findings=(), downtime_s=0, backup_s=0, downtime_from="", point_of_no_return=""
        )
        through = Work(deployment, over, facts, run)
        return through, through, ()
    work = Work(deployment, plan, facts, run)
    if state == "other":
        return work, work, (f"{plan.name}: a run is open that was begun with another plan",)
    now, lines = work, tuple(_lines_of_facts(file, facts))
    try:
        now = work_of(sitting, deployment, facts, plan.target, run, waivers_of(file.asked.waive), file.asked.external)
    except PlanRefused as error:
        return work, now, (*lines, f"{plan.name}: no plan can be made now: {error.message}")
    if changed := moved_plan(plan, now.plan):
        lines = tuple(_lines_of_facts(file, facts, steps_too=True))
        # Steps follow from facts: they are named where no fact is.
        lines += tuple(each for each in changed if not lines or ": step " not in each)
    return work, now, lines


def _lines_of_facts(file: PlanFile, facts: Mapping[str, Facts], *, steps_too: bool = False) -> Iterator[str]:
    then = {host: there for host, there in file.facts.items() if host in facts}
    yield from moved_facts(then, {host: grounds(each) for host, each in facts.items()}, steps_too=steps_too)


def _moved_hooks(sitting: Desk, then: Plan) -> list[str]:
    def told(hooks: Iterable[Hook]) -> set[str]:
        return {codec.canonical(masked(codec.encode(replace(each, deployments=())), sitting.mask)) for each in hooks}

    names = set(then.rollout.names)
    now = [each for each in sitting.hooks if names & set(each.deployments)]
    return ["the inventory: its hooks"] if told(then.rollout.hooks) != told(now) else []


def _moved(name: str, file: PlanFile, lines: list[str]) -> FactsMoved:
    more = [f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    listed = "".join(f"\n  {line}" for line in [*lines[:MOST_LINES], *more])
    open_ones = [line.partition(":")[0] for line in lines if line.endswith("begun with another plan")]
    finish = f"finish what is open: invoke upgrade --hosts {','.join(open_ones)}; then make" if open_ones else "make"
    return FactsMoved(
        f"{name} no longer fits; what moved since it was written, before -> now:{listed}",
        f"{finish} a new plan and read it: {file.again(name)}",
    )
