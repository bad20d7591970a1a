"""invoke migrations.*: what each release asks, and the release that a deployment is at."""

import json as json_
import time

from invoke.context import Context

import migrations
from rollout import catalogue
from rollout.baseline import afterwards, lines, overtaken
from rollout.errors import UsageError
from rollout.facts import Facts
from rollout.model import Deployment, Scope
from rollout.pending import due, report, target_of
from rollout.plan import baseline as baseline_of
from rollout.quote import shell
from tasks.edge import HOSTS_HELP, VERSION, Desk, command, desk
from tasks.screen import table
from tasks.work import fresh_run


@command(name="list", help={"json": "one JSON object on stdout"})
def list_(c: Context, json: bool = False) -> None:
    """List the steps that each release asks for, oldest first."""
    rows = [
        (
            m.release,
            step.id,
            step.phase.value,
            step.scope.value,
            step.repeat.value,
            step.title,
            shell(step.argv),
            step.source,
        )
        for m in migrations.ALL
        for step in m.steps
    ]
    with desk(c) as sitting:
        if json:
            keys = ("release", "id", "phase", "scope", "repeat", "title", "command", "source")
            data = {"schema": "stormlift.migrations/1", "steps": [dict(zip(keys, row, strict=True)) for row in rows]}
            sitting.out(json_.dumps(data, indent=1))
        else:
            sitting.out(
                table(("release", "step", "phase", "scope", "if interrupted", "what"), [row[:6] for row in rows])
            )


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "up to which release; else what an open upgrade goes to, the inventory's target, or what is installed",
        "json": "one JSON object on stdout",
    }
)
def pending(c: Context, hosts: str = "", to: str = "", json: bool = False) -> None:
    """Show the steps that deployments have not been through, and why they are due; changes nothing."""
    if to:
        catalogue.release(to)
    with desk(c) as sitting:
        deployments = sitting.select(hosts, whole=True).deployments
        facts = sitting.fleet.facts(host for each in deployments for host in each.hosts)
        found = {}
        for each in deployments:
            here = {host.name: facts[host.name] for host in each.hosts}
            found[each.name] = (baseline_of(here), target_of(each, here, to), due(each, here, migrations.ALL, to))
        if json:
            sitting.out(json_.dumps(report(found), indent=1))
            return
        rows = [
            (
                name,
                one.step.id,
                ", ".join(one.hosts) if one.step.scope is Scope.HOST else "once",
                one.step.title,
                one.why,
            )
            for name, (_, _, dues) in found.items()
            for one in dues
        ]
        sitting.out(table(("deployment", "step", "where", "what", "why"), rows) if rows else "no step is pending")


@command(
    help={
        "hosts": HOSTS_HELP,
        "release": "the release whose migrations were all run",
        "abandon": "end the upgrade that is open there, which somebody overtook by hand",
        "reason": "why; kept in the journal",
        "yes": "do not ask",
    }
)
def baseline(
    c: Context, hosts: str = "", release: str = "", abandon: bool = False, reason: str = "", yes: bool = False
) -> None:
    """Tell the journal which release a deployment is at, after somebody upgraded it by hand."""
    if not release:
        raise UsageError(
            "which release? --release is missing",
            "invoke migrations.baseline --hosts NAME --release 2.2.1 --reason TEXT",
        )
    catalogue.release(release)
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=True)
        facts = sitting.fleet.facts(host for each in selection.deployments for host in each.hosts)
        of = {each.name: {host.name: facts[host.name] for host in each.hosts} for each in selection.deployments}
        ends = {each.name: overtaken(each, of[each.name], release, abandon=abandon) for each in selection.deployments}
        if abandon and not reason:
            raise UsageError("why is the run abandoned? --reason is missing", "--reason TEXT is kept in the journal")
        if sitting.dry:
            return
        runs = ", ".join(run for run in ends.values() if run)
        what = f"settle {', '.join(ends)} at {release}" + (f" and abandon {runs}" if runs else "")
        sitting.confirm(f"{what}?", yes)
        for deployment in selection.deployments:
            _settle(sitting, deployment, of[deployment.name], release, ends[deployment.name], reason)


def _settle(
    sitting: Desk, deployment: Deployment, facts: dict[str, Facts], release: str, abandons: str, reason: str
) -> None:
    """Write it down on every host, under the lock: whoever holds it may be in the middle of the run. Raises Locked."""
    from remote.fleet import reached
    from remote.lock import DeploymentLock

    run = fresh_run()
    links = reached(sitting.fleet, facts)
    fence = 1 + max(each.fence for each in facts.values())
    me = sitting.me(run, abandons)
    with DeploymentLock(deployment.name, links, me, "migrations.baseline", "", fence, sitting.say) as lock:
        said = lines(
            deployment,
            release,
            run=run,
            abandons=abandons,
            reason=reason,
            by=sitting.by,
            tool=f"stormlift {VERSION}",
            at=int(time.time()),
            fence=lock.fence,
        )
        for link in links.values():
            link.record(said)
    ended = f"run {abandons} is abandoned, " if abandons else ""
    sitting.out(f"{deployment.name}: {ended}settled at {release}")
    if abandons and (left := afterwards(deployment, facts)):
        sitting.say(f"{deployment.name}: {left}")
