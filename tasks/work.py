"""The road of every command that changes something: plan shown, confirmed, locked, run in batches, told at the end."""

import json
import time
from dataclasses import dataclass, field, replace
from typing import Any

from invoke.context import Context
from invoke.exceptions import Exit

from rollout import advice, codec, journal, roll
from rollout.errors import Inhibited, PlanRefused, StepFailed, StormliftError, Unreachable
from rollout.events import Event
from rollout.execute import PLAN_FILE, Run
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan, Severity
from rollout.plan import Plan
from rollout.repairs import Planner
from rollout.roll import Outcome
from rollout.text import plan_text
from tasks.edge import VERSION, Desk, desk, new_run

DONE = {"upgrade": "upgraded"}


@dataclass(frozen=True)
class Work:
    """One deployment's share: its plan, its facts, and the run that is opened or resumed."""

    deployment: Deployment
    plan: DeploymentPlan
    facts: dict[str, Facts]
    run: str
    resumed: bool = False


@dataclass(frozen=True)
class Orders:
    """What the operator asked for beside the plan."""

    command: str
    batch: str = "1"
    max_failures: int = 0
    yes: bool = False
    as_json: bool = False
    answers: dict[str, str] = field(default_factory=dict)


def open_work(sitting: Desk, deployment: Deployment, facts: dict[str, Facts]) -> Work | None:
    """The upgrade that is open on DEPLOYMENT, with the plan that it began with; None when there is none."""
    opened = next((found for each in facts.values() if (found := journal.open_run(each.journal))), None)
    if opened is None:
        return None
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


def carry_out(sitting: Desk, works: list[Work], plan: Plan, orders: Orders) -> list[Outcome]:
    """Show PLAN, ask, and run it; gives the outcomes. Raises Inhibited, UsageError before anything was changed."""
    show_plan(sitting, works, plan, orders)
    stop_if_inhibited(plan)
    if sitting.dry:
        return []
    todo = [work for work in works if not work.plan.empty]
    idle = [Outcome(work.deployment.name, "unchanged", work.plan.hosts) for work in works if work.plan.empty]
    if not todo:
        return idle
    from tasks.screen import shown

    resumed = [work.run for work in todo if work.resumed]
    sitting.confirm(f"go on with {', '.join(resumed)}?" if resumed else "carry out this plan?", orders.yes)
    by_name = {work.deployment.name: work for work in todo}
    with sitting.interruptible(), shown(sitting, todo[0].run, tuple(by_name)):
        outcomes = roll.roll(
            list(by_name),
            orders.batch,
            orders.max_failures,
            lambda name: run_one(sitting, by_name[name], plan.hash, orders),
            lambda name: by_name[name].plan.hosts,
        )
    return idle + outcomes


def change(c: Context, hosts: str, orders: Orders, plan_of: Planner) -> None:
    """The whole of a command that plans anew from facts: what a run that was cut off left behind is in them."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=True)
        facts = sitting.fleet.facts(host for each in selection.deployments for host in each.hosts)
        works = []
        for deployment in selection.deployments:
            here = {host.name: facts[host.name] for host in deployment.hosts}
            works.append(Work(deployment, plan_of(deployment, here), here, fresh_run()))
        outcomes = carry_out(sitting, works, Plan(tuple(work.plan for work in works)), orders)
        code = 0 if sitting.dry else finish(sitting, outcomes, orders, works[0].run)
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
    """Raise Inhibited when a finding forbids any change."""
    stops = [finding for finding in plan.findings if finding.severity is Severity.INHIBITOR]
    if stops:
        raise Inhibited(
            f"{len(stops)} finding{'s' if len(stops) > 1 else ''} must be settled first: "
            + "; ".join(f"{each.host}: {each.cause}" for each in stops),
            stops[0].remedy,
        )


def run_one(sitting: Desk, work: Work, plan_hash: str, orders: Orders) -> Outcome:
    """Run one deployment under its lock; an operator's error becomes its outcome, a bug stays one."""
    from remote.fleet import reached
    from remote.lock import DeploymentLock

    name, hosts = work.deployment.name, work.plan.hosts
    links = reached(sitting.fleet, hosts)
    fence = 1 + max(each.fence for each in work.facts.values())
    run = Run(
        work.run, work.plan, links, sitting.tell, time.time, sitting.by, f"stormlift {VERSION}", answers=orders.answers
    )
    lock = DeploymentLock(
        name,
        links,
        sitting.me(work.run),
        orders.command,
        plan_hash,
        fence,
        lambda text: sitting.tell(Event("waiting", time.time(), name, title=text)),
    )
    try:
        with lock:
            run.fence = lock.fence
            run.stopping = lambda: sitting.stopping
            run.lost = lock.lost.is_set
            sitting.tell(
                Event("run-resumed" if work.resumed else "run-opened", time.time(), name, data={"run": work.run})
            )
            run.execute()
        outcome = Outcome(name, DONE.get(orders.command, "done"), hosts, downtime_s=run.downtime, run=work.run)
    except StormliftError as error:
        outcome = failed(error, work, run, orders.command)
    sitting.tell(Event("deployment-finished", time.time(), name, data=codec.encode(outcome)))
    return outcome


def failed(error: StormliftError, work: Work, run: Run, command: str) -> Outcome:
    """The outcome of an error: what state it leaves, and the exact next command."""
    name = work.deployment.name
    outcome = roll.failure(name, work.plan.hosts, error, work.run)
    if run.at is None:
        return outcome
    hint = error.hint or advice.next_command(command, name, run.at.name, f"{error.message}\n{outcome.log}")
    code = StepFailed.exit_code if isinstance(error, Unreachable) else outcome.exit_code  # something was changed by now
    return replace(
        outcome,
        exit_code=code,
        downtime_s=run.downtime,
        hint=hint,
        error=f"{outcome.error}\n  leaves: {advice.leaves(work.plan, run.at)}",
    )


def finish(sitting: Desk, outcomes: list[Outcome], orders: Orders, run: str) -> int:
    """Say how it ended; gives the exit code."""
    for each in outcomes:
        if each.outcome == "failed":
            sitting.say(failure_text(each))
    if orders.as_json:
        sitting.out(json.dumps(outcome_json(outcomes, run, orders.command), indent=1))
    else:
        from tasks.screen import table

        rows = [(o.name, ", ".join(o.hosts), o.outcome, f"{o.downtime_s} s" if o.downtime_s else "-") for o in outcomes]
        sitting.out(table(("deployment", "hosts", "outcome", "st2 was down"), rows))
    return next((each.exit_code for each in outcomes if each.exit_code), 0)


def failure_text(outcome: Outcome) -> str:
    """What, where, the last lines of the log, what it leaves, what to type next."""
    log = [f"  | {line}" for line in outcome.log.splitlines()[-20:]]
    return "\n".join([f"{outcome.name}: FAILED: {outcome.error}", *log, f"  next: {outcome.hint}"])


def outcome_json(outcomes: list[Outcome], run: str, command: str) -> dict[str, Any]:
    """The result of a command that changes something, as one object."""
    rows = [{**codec.encode(each), "log": each.log.splitlines()[-20:]} for each in outcomes]
    return {"schema": f"stormlift.{command}/1", "run": run, "deployments": rows}


def fresh_run() -> str:
    """A new run's name."""
    return new_run(time.time())
