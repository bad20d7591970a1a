"""The plan as text that a human can check: a tree, commands as they will run, equal hosts folded."""

from collections.abc import Iterable
from itertools import groupby

from rollout.batches import Rollout
from rollout.model import DeploymentPlan, Finding, Kind, PhasePlan, Repeat, Scope, Step
from rollout.plan import Plan
from rollout.quote import shell

MOST_NAMES = 8  # of a sentence


def plan_text(plan: Plan) -> str:
    """The whole plan: findings first, then each deployment, then how they roll."""
    parts = [findings_text(plan.findings)] if plan.findings else []
    parts += [f"skipped: {each.name} ({', '.join(each.hosts)}): {each.reason}" for each in plan.skipped]
    parts += [deployment_text(each) for each in plan.deployments]
    parts += [text for text in (rollout_text(plan.rollout),) if text]
    return "\n\n".join([*parts, f"plan {plan.hash[:12]}"])


def findings_text(findings: Iterable[Finding]) -> str:
    """The findings, a line of cause and a line of remedy each."""
    return "\n".join(
        f"{each.severity.value}: {each.host}: {each.cause} [{each.key}]\n    {each.remedy}" for each in findings
    )


def deployment_text(plan: DeploymentPlan) -> str:
    """One deployment's plan as a tree."""
    hosts = ", ".join(plan.hosts)
    if plan.empty:
        return f"{plan.name} ({hosts}): nothing to do, it is at {plan.target}"
    way = (
        f"{plan.command} {plan.origin} -> {plan.target}"
        if plan.origin != plan.target
        else f"{plan.command} at {plan.target}"
    )
    lines = [f"{plan.name} ({hosts}): {way}"]
    for ahead, phases in groupby(plan.phases, key=lambda phase: bool(phase.ahead)):
        part = list(phases)
        lines += _ahead(part, plan) if ahead else [line for each in part for line in _phase(each, plan)]
    lines += [f"  note: {note}" for note in plan.notes]
    if plan.point_of_no_return:
        lines.append(f"  point of no return: {plan.point_of_no_return}")
    return "\n".join(lines)


def _ahead(phases: list[PhasePlan], plan: DeploymentPlan) -> list[str]:
    names = ", ".join(dict.fromkeys(phase.ahead for phase in phases))
    lines = [f"  first, one by one, while the others serve: {names}"]
    return lines + [f"  {line}" for phase in phases for line in _phase(phase, plan)]


def _phase(phase: PhasePlan, plan: DeploymentPlan) -> list[str]:
    several = len({each.hop for each in plan.phases}) > 1
    lines = [f"  {phase.title}" + (f" (to {phase.hop})" if several else "")]
    for step in phase.steps:
        lines.append(f"    {step.title}  [{step.id}{_marks(step)}] on {_where(step, plan)}")
        lines.append(f"      {shell(step.argv)}")
    return lines


def _marks(step: Step) -> str:
    marks = [step.scope.value] if step.scope is Scope.DEPLOYMENT else []
    marks += [step.kind.value] if step.kind is not Kind.RUN else []
    marks += [f"if interrupted: {step.repeat.value}"] if step.repeat is not Repeat.SAFE else []
    return "".join(f", {mark}" for mark in marks)


def _where(step: Step, plan: DeploymentPlan) -> str:
    return "all hosts" if len(plan.hosts) > 1 and set(step.hosts) == set(plan.hosts) else ", ".join(step.hosts)


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
        f"  batch 1, the canary: {', '.join(first)}",
        *(f"  batch {number}: {', '.join(names)}" for number, names in enumerate(others, 2)),
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
