"""invoke plan: what an upgrade would do; changes nothing."""

import json
from dataclasses import replace

from invoke.context import Context
from invoke.exceptions import Exit

import migrations
from rollout import preflight
from rollout.errors import Inhibited, UsageError
from rollout.facts import Facts
from rollout.model import Deployment, Finding
from rollout.plan import Plan
from rollout.plan import plan as plan_of
from rollout.status import reachable
from rollout.text import plan_text
from tasks.edge import HOSTS_HELP, Desk, command, desk
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


def works_of(sitting: Desk, hosts: str, to: str) -> tuple[list[Work], Plan]:
    """Facts and a plan for every deployment that HOSTS names; a run that is open keeps the plan that it began with."""
    selection = sitting.select(hosts, whole=True)
    facts = sitting.fleet.facts(host for deployment in selection.deployments for host in deployment.hosts)
    run = fresh_run()
    works: list[Work] = []
    findings: tuple[Finding, ...] = preflight.shared_databases(
        {each.name: {host.name: facts[host.name] for host in each.hosts} for each in selection.deployments}
    )
    for deployment in selection.deployments:
        here = {host.name: facts[host.name] for host in deployment.hosts}
        works.append(_work(sitting, deployment, here, to, run))
        findings += works[-1].plan.findings if not works[-1].resumed else ()
    return works, Plan(tuple(work.plan for work in works), findings)


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
    return Work(deployment, replace(plan, findings=findings), facts, run)


@command(help={"hosts": HOSTS_HELP, "to": "the release to plan for, e.g. 2.2.1", "json": "one JSON object on stdout"})
def plan(c: Context, hosts: str = "", to: str = "", json: bool = False) -> None:
    """Read every host and show what an upgrade would do; changes nothing."""
    with desk(c) as sitting:
        _, planned = works_of(sitting, hosts, to)
        sitting.out(_json(planned) if json else plan_text(planned))
        try:
            stop_if_inhibited(planned)
        except Inhibited as error:
            sitting.say(f"stormlift: {error.message}")
            raise Exit(code=error.exit_code) from None


def _json(planned: Plan) -> str:
    return json.dumps(planned.to_json(), indent=1)
