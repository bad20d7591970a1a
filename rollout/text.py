"""The plan as text that a human can check: a tree, commands as they will run, equal hosts folded."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from rollout import codec
from rollout.batches import Rollout
from rollout.fold import fold
from rollout.model import DeploymentPlan, Finding, Kind, Phase, PhasePlan, Repeat, Scope, Step
from rollout.no_return import turning_point
from rollout.plan import Plan
from rollout.quote import shell

MOST_NAMES = 8  # of a sentence


def plan_text(plan: Plan) -> str:
    """The whole plan: findings first, then each deployment, then how they roll."""
    parts = [findings_text(plan.findings)] if plan.findings else []
    parts += [f"skipped: {each.name} ({fold(each.hosts)}): {each.reason}" for each in plan.skipped]
    parts += [deployments_text(group) for group in alike(plan.deployments)]
    parts += [text for text in (rollout_text(plan.rollout), _whole_downtime(plan)) if text]
    return "\n\n".join([*parts, f"plan {plan.hash[:12]}"])


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings, a line of cause and a line of remedy each, or of the reason of one that is waived; the same one on
    several hosts is said once."""
    hosts: dict[Finding, list[str]] = {}
    for each in findings:
        hosts.setdefault(replace(each, host=""), []).append(each.host)
    return "\n".join(
        f"{each.severity.value}{', waived' if each.waived else ''}: {fold(names)}: {each.cause} [{each.key}]\n"
        f"    {f'waived: {each.waived}' if each.waived else each.remedy}"
        for each, names in hosts.items()
    )


def alike(plans: Iterable[DeploymentPlan]) -> list[tuple[DeploymentPlan, ...]]:
    """PLANS in groups of which one tree tells all: single boxes that go through the same, and every other by itself."""
    groups: dict[str, list[DeploymentPlan]] = {}
    for number, plan in enumerate(plans):
        key = codec.digest(_nameless(plan)) if len(plan.hosts) == 1 else str(number)
        groups.setdefault(key, []).append(plan)
    return [tuple(group) for group in groups.values()]


def _nameless(plan: DeploymentPlan) -> DeploymentPlan:
    """The plan of a single box without what differs from box to box and does not change what is run."""
    phases = tuple(
        replace(phase, steps=tuple(replace(step, hosts=()) for step in phase.steps)) for phase in plan.phases
    )
    bare = replace(plan, name="", hosts=(), phases=phases, before={}, findings=(), notes=())
    return replace(bare, downtime_s=0, backup_s=0, downtime_from="")


def deployments_text(plans: tuple[DeploymentPlan, ...]) -> str:
    """Deployments that are `alike`, as one tree; what only some of them have is said with their names."""
    first = plans[0]
    if len(plans) == 1:
        return deployment_text(first)
    names, hosts = fold(each.name for each in plans), fold(host for each in plans for host in each.hosts)
    who = f"{names} ({len(plans)} deployments of one host each{'' if names == hosts else f': {hosts}'})"
    shared = tuple(note for note in first.notes if all(note in each.notes for each in plans))
    own = tuple(f"{each.name}: {note}" for each in plans for note in each.notes if note not in shared)
    slowest = max(plans, key=lambda each: each.downtime_s)
    told = replace(slowest, notes=(*shared, *own))
    return _tree(told, who, each=True)


def deployment_text(plan: DeploymentPlan) -> str:
    """One deployment's plan as a tree."""
    return _tree(plan, f"{plan.name} ({fold(plan.hosts)})")


def _tree(plan: DeploymentPlan, who: str, *, each: bool = False) -> str:
    if plan.empty:
        return f"{who}: nothing to do, {'each' if each else 'it'} is at {plan.target}"
    way = (
        f"{plan.command} {plan.origin} -> {plan.target}"
        if plan.origin != plan.target
        else f"{plan.command} at {plan.target}"
    )
    lines = [f"{who}: {way}"]
    for ahead, phases in groupby(plan.phases, key=lambda phase: bool(phase.ahead)):
        part = list(phases)
        lines += _ahead(part, plan) if ahead else [line for one in part for line in _phase(one, plan, each)]
    lines += [f"  note: {note}" for note in plan.notes]
    lines += [f"  expected downtime: {_downtime(plan, each)}"] if plan.downtime_s else []
    if plan.point_of_no_return:
        lines.append(f"  point of no return: {plan.point_of_no_return}")
    return "\n".join(lines)


def _downtime(plan: DeploymentPlan, each: bool) -> str:
    stops = {phase.hop for phase in plan.phases if phase.name is Phase.STOP and not phase.ahead}
    over = f", over {len(stops)} stops" if len(stops) > 1 else ""
    about = f"up to {duration(plan.downtime_s)} each" if each else f"about {duration(plan.downtime_s)}"
    backup = f", {duration(plan.backup_s)} of it the backup" if plan.backup_s else ""
    return f"{about}{over}{backup}. An estimate: {plan.downtime_from}"


def duration(seconds: int) -> str:
    """SECONDS as an operator says them: 95 s, 12 min, 2 h 5 min."""
    if seconds < 180:
        return f"{seconds} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"


def _whole_downtime(plan: Plan) -> str:
    if len(plan.rollout.names) < 2 or not plan.downtime_s:
        return ""
    return f"expected downtime over the whole roll, batch after batch: about {duration(plan.downtime_s)}"


def _ahead(phases: list[PhasePlan], plan: DeploymentPlan) -> list[str]:
    names = ", ".join(dict.fromkeys(phase.ahead for phase in phases))
    lines = [f"  first, one by one, while the others serve: {names}"]
    return lines + [f"  {line}" for phase in phases for line in _phase(phase, plan)]


def _phase(phase: PhasePlan, plan: DeploymentPlan, each: bool = False) -> list[str]:
    several = len({one.hop for one in plan.phases}) > 1
    turning = turning_point(plan.phases) if plan.point_of_no_return else None
    lines = [f"  {phase.title}" + (f" (to {phase.hop})" if several else "")]
    for step in phase.steps:
        lines += ["    -- point of no return: see below --"] if turning == (phase, step) else []
        lines.append(f"    {step.title}  [{step.id}{_marks(step)}] on {'each' if each else _where(step, plan)}")
        lines.append(f"      {shell(step.argv)}")
        lines += [f"      {step.changes}"] if step.changes else []
    return lines


def _marks(step: Step) -> str:
    marks = [step.scope.value] if step.scope is Scope.DEPLOYMENT else []
    marks += [step.kind.value] if step.kind is not Kind.RUN else []
    marks += [f"if interrupted: {step.repeat.value}"] if step.repeat is not Repeat.SAFE else []
    return "".join(f", {mark}" for mark in marks)


def _where(step: Step, plan: DeploymentPlan) -> str:
    return "all hosts" if len(plan.hosts) > 1 and set(step.hosts) == set(plan.hosts) else fold(step.hosts)


def rollout_text(rollout: Rollout) -> str:
    """How deployments roll, in words that hold of rollout.roll; "" for one deployment without hooks."""
    names = rollout.names
    lines = []
    if len(rollout.batches) == 1 and len(names) > 1:
        lines = [f"rollout: {len(names)} deployments in one batch, all at the same time: {listed(names)}"]
    elif len(rollout.batches) > 1:
        lines = [f"rollout: {len(names)} deployments in {len(rollout.batches)} batches", *_batches(rollout)]
        lines += [*_budget(rollout), *_between(rollout)]
    if rollout.hooks:
        lines += ["hooks, run on this machine:"]
        lines += [
            f"  {hook.point} of {hook.inventory}, at most {hook.timeout} s: {shell(hook.argv)}"
            for hook in rollout.hooks
        ]
    return "\n".join(lines)


def _batches(rollout: Rollout) -> list[str]:
    first, *others = rollout.batches
    return [
        f"  batch 1, the canary: {fold(first)}",
        *(f"  batch {number}: {fold(names)}" for number, names in enumerate(others, 2)),
    ]


def _budget(rollout: Rollout) -> list[str]:
    canary, after = listed(rollout.canary), rollout.names[len(rollout.canary) :]
    fails = f"{canary} fails" if len(rollout.canary) == 1 else f"one of {canary} fails"
    allowed = f"{rollout.max_failures} deployment{'' if rollout.max_failures == 1 else 's'}"
    lines = [
        f"  if {fails}, {listed(after)} {_is(after)} not begun, however many failures are allowed",
        f"  failures allowed over the whole run: {allowed} (--max-failures); with more of them no further batch is begun, "
        "and one that is begun goes on to its end",
    ]
    if (example := rollout.example()) is None:
        through = "is through" if len(rollout.canary) == 1 else "are through"
        return [*lines, f"  for example: once {canary} {through}, the last batch is begun whoever fails"]
    failing, rest = example.failing, example.not_begun
    fail = "fails" if len(failing) == 1 else "fail"
    return [*lines, f"  for example: if {listed(failing)} {fail}, {listed(rest)} {_is(rest)} not begun"]


def _between(rollout: Rollout) -> list[str]:
    waits = [f"{rollout.wait_between_s} s are waited"] if rollout.wait_between_s else []
    if rollout.gate_deadline_s:
        waits.append(
            f"what the batch before upgraded must be healthy for {rollout.soak_s} s without a break, within "
            f"{rollout.gate_deadline_s} s, or it counts as failed"
        )
    return [f"  before each further batch: {'; then '.join(waits)}"] if waits else []


def _is(names: tuple[str, ...]) -> str:
    return "is" if len(names) == 1 else "are"


def listed(names: tuple[str, ...]) -> str:
    """NAMES in a sentence, not more than can be read."""
    shown = names if len(names) <= MOST_NAMES else (*names[: MOST_NAMES - 1], f"{len(names) - MOST_NAMES + 1} more")
    return " and ".join([part for part in (", ".join(shown[:-1]), shown[-1]) if part])
