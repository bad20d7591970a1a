"""The plan as text that a human can check: a tree, commands as they will run, equal hosts folded."""

from collections.abc import Iterable
from itertools import groupby

from rollout.model import DeploymentPlan, Finding, Kind, PhasePlan, Repeat, Scope, Step
from rollout.plan import Plan
from rollout.quote import shell


def plan_text(plan: Plan) -> str:
    """The whole plan: findings first, then each deployment."""
    parts = [findings_text(plan.findings)] if plan.findings else []
    parts += [deployment_text(each) for each in plan.deployments]
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
