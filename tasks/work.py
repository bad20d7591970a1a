"""The road of every command that changes something: plan shown, confirmed, locked, run in batches, told at the end."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit

from rollout import codec, journal
from rollout.batches import UNGATED
from rollout.errors import HookFailed, Inhibited, PlanRefused, StepFailed, Unreachable
from rollout.execute import PLAN_FILE
from rollout.facts import Facts
from rollout.fold import fold
from rollout.model import Deployment, DeploymentPlan, Severity
from rollout.plan import Plan, whole
from rollout.repairs import Planner, refuse_on_the_way_back
from rollout.roll import Outcome, roll
from rollout.text import plan_text
from tasks.crew import Crew
from tasks.edge import ROOT, Desk, desk, new_run
from tasks.hooks import Hooks, check


@dataclass(frozen=True)
class Work:
    """One deployment's share: its plan, its facts, and the run that is opened or resumed."""

    deployment: Deployment
    plan: DeploymentPlan
    facts: dict[str, Facts]
    run: str
    resumed: bool = False


Worker = Callable[[Desk, Deployment, dict[str, Facts]], Work]


@dataclass(frozen=True)
class Orders:
    """What the operator asked for beside the plan."""

    command: str
    yes: bool = False
    as_json: bool = False
    answers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Result:
    """How a command ended: its deployments, and the hooks after the run that failed."""

    outcomes: list[Outcome]
    hooks: list[HookFailed] = field(default_factory=list)


def open_work(sitting: Desk, deployment: Deployment, facts: dict[str, Facts], command: str = "upgrade") -> Work | None:
    """The run of COMMAND that is open on DEPLOYMENT, with the plan that it began with; None when there is none."""
    opened = next((found for each in facts.values() if (found := journal.open_run(each.journal, command))), None)
    if opened is None:
        return None
    if command not in journal.BACK:
        refuse_on_the_way_back(deployment, facts)
    holders = [n for n, f in facts.items() if any(r.run == opened.run and r.event == "opened" for r in f.journal)]
    plan = next((plan for name in holders if (plan := _kept_plan(sitting, name, opened))), None)
    if plan is None:
        raise PlanRefused(
            f"{deployment.name}: the plan of run {opened.run} is damaged on {', '.join(holders)}",
            f"look at /var/lib/stormlift/{opened.run}/{PLAN_FILE} there; its digest is {opened.digest}",
        )
    if set(plan.hosts) != {host.name for host in deployment.hosts}:
        raise PlanRefused(
            f"{deployment.name}: run {opened.run} was begun on {', '.join(plan.hosts)}, the inventory has other hosts now",
            "put the inventory back until the run is through",
        )
    return Work(deployment, plan, facts, opened.run, resumed=True)


def _kept_plan(sitting: Desk, host: str, opened: journal.Record) -> DeploymentPlan | None:
    """The plan as HOST keeps it, or None when it is not the one that the journal knows."""
    try:
        plan = codec.decode(DeploymentPlan, json.loads(sitting.fleet[host].probe("kept", opened.run, PLAN_FILE)))
    except (ValueError, codec.Malformed, StepFailed):
        return None
    return plan if codec.digest(plan) == opened.digest else None


def carry_out(sitting: Desk, works: list[Work], plan: Plan, orders: Orders) -> Result:
    """Show PLAN, ask, and run it. Raises Inhibited, PlanRefused, UsageError before anything was changed."""
    show_plan(sitting, works, plan, orders)
    stop_if_inhibited(plan)
    todo = {work.deployment.name: work for work in works if not work.plan.empty}
    idle = [Outcome(work.deployment.name, "unchanged", work.plan.hosts) for work in works if work.plan.empty]
    idle += [Outcome(each.name, "skipped", each.hosts, error=each.reason) for each in plan.skipped]
    if sitting.dry or not todo:
        return Result(idle)
    from tasks.screen import shown

    check(plan.rollout.hooks, ROOT)
    resumed = [work.run for work in todo.values() if work.resumed]
    sitting.confirm(f"go on with {', '.join(resumed)}?" if resumed else "carry out this plan?", orders.yes)
    hooks = Hooks(sitting, todo, plan, orders.command)
    crew = Crew(sitting, todo, plan, hooks, orders.command, orders.answers)
    with sitting.interruptible(), shown(sitting, next(iter(todo.values())).run, tuple(todo)):
        hooks.before_run()
        outcomes: list[Outcome] = []
        try:
            outcomes = roll(plan.rollout, crew)
        finally:
            errors = hooks.after_run({each.name: each for each in outcomes})
    return Result(idle + outcomes, errors)


def change(c: Context, hosts: str, orders: Orders, plan_of: Planner) -> None:
    """The whole of a command that plans anew from facts: what a run that was cut off left behind is in them."""
    work(
        c, hosts, orders, lambda _, deployment, facts: Work(deployment, plan_of(deployment, facts), facts, fresh_run())
    )


def work(c: Context, hosts: str, orders: Orders, work_of: Worker) -> None:
    """The whole of a command that changes deployments beside an upgrade: read, plan by WORK_OF, ask, run, tell."""
    with desk(c) as sitting:
        deployments = sitting.select(hosts, whole=True).deployments
        facts = sitting.fleet.facts(host for each in deployments for host in each.hosts)
        works = [work_of(sitting, each, {host.name: facts[host.name] for host in each.hosts}) for each in deployments]
        result = carry_out(sitting, works, whole((each.plan for each in works), UNGATED), orders)
        code = 0 if sitting.dry else finish(sitting, result, orders, works[0].run)
    if code:
        raise Exit(code=code)


def show_plan(sitting: Desk, works: list[Work], plan: Plan, orders: Orders) -> None:
    """The plan: data when that is all that was asked for, talk when it is the start of more."""
    show = sitting.out if sitting.dry and not orders.as_json else sitting.say
    if sitting.dry and orders.as_json:
        sitting.out(json.dumps(plan.to_json(), indent=1))
        return
    show(plan_text(plan))
    for work in works:
        if work.resumed:
            sitting.say(f"{work.deployment.name}: run {work.run} is open; what it has finished is not run again")


def stop_if_inhibited(plan: Plan) -> None:
    """Raise Inhibited when a finding that is not waived forbids any change."""
    stops = [each for each in plan.findings if each.severity is Severity.INHIBITOR and not each.waived]
    if stops:
        raise Inhibited(
            f"{len(stops)} finding{'s' if len(stops) > 1 else ''} must be settled first: "
            + "; ".join(f"{each.host}: {each.cause}" for each in stops),
            "\n  ".join(dict.fromkeys(each.remedy for each in stops)),
        )


def finish(sitting: Desk, result: Result, orders: Orders, run: str) -> int:
    """Say how it ended; gives the exit code."""
    outcomes = result.outcomes
    for each in outcomes:
        if each.outcome == "failed":
            sitting.say(failure_text(each))
    for error in result.hooks:
        sitting.say(f"{error.message}\n  leaves: {error.leaves}\n  next: {error.hint}")
    left = [each for each in outcomes if each.outcome == "not attempted"]
    for why, hint in dict.fromkeys((each.error, each.hint) for each in left):
        names = [each.name for each in left if each.error == why]
        sitting.say(f"not attempted: {', '.join(names)}: {why}" + (f"\n  next: {hint}" if hint else ""))
    if orders.as_json:
        sitting.out(json.dumps(result_json(result, run, orders.command), indent=1))
    else:
        from tasks.screen import table

        head = ("deployment", "hosts", "outcome", "st2 was down", "of it the backup")
        sitting.out(table(head, [row for each in outcomes for row in summary_rows(each)]))
    return exit_code(result)


def summary_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """A deployment's row of the summary; below it its hosts, when st2 was not down for as long on each of them."""
    alike: dict[tuple[str, str], list[str]] = {}
    for each in outcome.downtimes:
        alike.setdefault(_down(each.downtime_s, each.backup_s), []).append(each.host)
    whole = (outcome.name, ", ".join(outcome.hosts), outcome.outcome, *_down(outcome.downtime_s, outcome.backup_s))
    return [whole, *(("", fold(hosts), "", *down) for down, hosts in alike.items() if len(alike) > 1)]


def _down(seconds: int, backup: int) -> tuple[str, str]:
    return (f"{seconds} s", f"{backup} s") if seconds else ("-", "-")


def exit_code(result: Result) -> int:
    """The first error's, but an unreachable host's promises that nothing was changed: it stands only when that is so."""
    every = [*(each.exit_code for each in result.outcomes), *(error.exit_code for error in result.hooks)]
    codes = [code for code in every if code]
    changed = StepFailed.exit_code in codes or any(
        each.outcome in ("upgraded", "rolled back", "done") for each in result.outcomes
    )
    first = next(iter(codes), 0)
    return StepFailed.exit_code if changed and first == Unreachable.exit_code else first


def failure_text(outcome: Outcome) -> str:
    """What, where, the last lines of the log, what it leaves, what to type next."""
    log = [f"  | {line}" for line in outcome.log.splitlines()[-20:]]
    return "\n".join([f"{outcome.name}: FAILED: {outcome.error}", *log, f"  next: {outcome.hint}"])


def result_json(result: Result, run: str, command: str) -> dict[str, Any]:
    """The result of a command that changes something, as one object."""
    rows = [{**codec.encode(each), "log": each.log.splitlines()[-20:]} for each in result.outcomes]
    hooks = [{"hook": each.step, "error": each.message, "hint": each.hint} for each in result.hooks]
    return {"schema": f"stormlift.{command}/1", "run": run, "deployments": rows, "hooks": hooks}


def fresh_run() -> str:
    """A new run's name."""
    return new_run(time.time())
