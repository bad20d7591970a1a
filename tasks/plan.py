"""invoke plan: what an upgrade would do; changes nothing."""

import json
from dataclasses import replace

from invoke.context import Context
from invoke.exceptions import Exit

import migrations
from rollout import concerns, pause, preflight
from rollout.batches import Pace
from rollout.errors import Inhibited, NoAnswer, UsageError
from rollout.facts import Facts
from rollout.model import Deployment, Finding
from rollout.plan import Plan, Skipped, hops_of, whole
from rollout.plan import plan as plan_of
from rollout.status import reachable
from rollout.text import plan_text
from tasks.edge import HOSTS_HELP, Desk, command, desk, whole_number
from tasks.work import Work, fresh_run, open_work, stop_if_inhibited


def target_of(deployment: Deployment, facts: dict[str, Facts], to: str) -> str:
    """--to, else the deployment's target in the inventory. Raises UsageError that lists what can be reached."""
    if target := to or deployment.target:
        return target
    first = next(iter(facts.values()))
    ways = ", ".join(reachable(first.release, first.distro)) if first.release else ""
    raise UsageError(
        f"{deployment.name}: no target", f"add --to RELEASE, or target: in the inventory; from {first.release}: {ways}"
    )


def works_of(sitting: Desk, hosts: str, to: str, pace: Pace, skip_unreachable: bool = False) -> tuple[list[Work], Plan]:
    """Facts and a plan for every deployment that HOSTS names; a run that is open keeps the plan that it began with."""
    selected = sitting.select(hosts, whole=True).deployments
    skipped = unreachable(sitting, selected) if skip_unreachable else ()
    deployments = [each for each in selected if each.name not in {left_out.name for left_out in skipped}]
    facts = sitting.fleet.facts(host for deployment in deployments for host in deployment.hosts)
    run = fresh_run()
    works: list[Work] = []
    findings: tuple[Finding, ...] = preflight.shared_databases(
        {each.name: {host.name: facts[host.name] for host in each.hosts} for each in deployments}
    )
    for deployment in deployments:
        here = {host.name: facts[host.name] for host in deployment.hosts}
        work = _work(sitting, deployment, here, to, run)
        works.append(work)
        findings += work.plan.findings if not work.resumed else ()
        if not work.plan.empty:
            findings += pause.finding(deployment.name, (each.journal for each in here.values()))
    return works, whole((work.plan for work in works), pace, findings, sitting.hooks, skipped)


def unreachable(sitting: Desk, deployments: tuple[Deployment, ...]) -> tuple[Skipped, ...]:
    """The deployments with a host where nothing answers. Raises NoAnswer when no deployment is left."""
    silent = sitting.fleet.silent(host for each in deployments for host in each.hosts)
    skipped = []
    for each in deployments:
        names = tuple(host.name for host in each.hosts)
        if reasons := [silent[name].message for name in names if name in silent]:
            skipped.append(Skipped(each.name, names, "; ".join(reasons)))
    if len(skipped) == len(deployments):
        first = next(iter(silent.values()))
        raise NoAnswer("\n".join(error.message for error in silent.values()), first.hint)
    return tuple(skipped)


def _work(sitting: Desk, deployment: Deployment, facts: dict[str, Facts], to: str, run: str) -> Work:
    resumed = open_work(sitting, deployment, facts)
    if resumed:
        if to and to != resumed.plan.target:
            raise UsageError(
                f"{deployment.name}: run {resumed.run} to {resumed.plan.target} is open, --to says {to}",
                f"finish it first: invoke upgrade --hosts {deployment.name}",
            )
        return resumed
    target = target_of(deployment, facts, to)
    plan = plan_of(deployment, facts, target, migrations.ALL, known_until=migrations.KNOWN_UNTIL)
    stops = tuple(dict.fromkeys(phase.hop for phase in plan.phases))
    findings = preflight.inspect(deployment.name, facts, target, stops)
    findings += concerns.findings(facts, hops_of(facts, target, migrations.ALL))
    return Work(deployment, replace(plan, findings=findings), facts, run)


PACE_HELP = {
    "batch": "deployments at a time: a number, a percentage, or a ramp such as 1,25%,100%; the first batch is the canary",
    "max_failures": "how many deployments may fail, over the whole run, before no further batch is begun",
    "wait_between": "seconds to wait between two batches",
    "soak": "seconds that a batch must be healthy without a break before the next one is begun",
    "gate_deadline": "seconds in which a batch must have become so, or it counts as failed; 0: no health is asked for",
}


def pace_of(batch: str, max_failures: str, wait_between: str, soak: str, gate_deadline: str) -> Pace:
    """The flags of PACE_HELP as a Pace. Raises UsageError."""
    pace = Pace(
        batch,
        whole_number(max_failures, "max-failures"),
        whole_number(wait_between, "wait-between"),
        whole_number(soak, "soak"),
        whole_number(gate_deadline, "gate-deadline"),
    )
    pace.check()
    return pace


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the release to plan for, e.g. 2.2.1",
        **PACE_HELP,
        "json": "one JSON object on stdout",
    }
)
def plan(
    c: Context,
    hosts: str = "",
    to: str = "",
    batch: str = "1",
    max_failures: str = "0",
    wait_between: str = "0",
    soak: str = "10",
    gate_deadline: str = "120",
    json: bool = False,
) -> None:
    """Read every host and show what an upgrade would do, and in which batches; changes nothing."""
    pace = pace_of(batch, max_failures, wait_between, soak, gate_deadline)
    with desk(c) as sitting:
        _, planned = works_of(sitting, hosts, to, pace)
        sitting.out(_json(planned) if json else plan_text(planned))
        try:
            stop_if_inhibited(planned)
        except Inhibited as error:
            sitting.say(f"stormlift: {error.message}")
            raise Exit(code=error.exit_code) from None


def _json(planned: Plan) -> str:
    return json.dumps(planned.to_json(), indent=1)
