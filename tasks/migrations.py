"""invoke migrations.*: what each release asks, and the release that a deployment is at."""

import json as json_
import time

from invoke.context import Context

import migrations
from rollout import catalogue
from rollout.codec import canonical
from rollout.errors import UsageError
from rollout.journal import VERSION as JOURNAL
from rollout.model import Scope
from rollout.quote import shell
from rollout.repairs import refuse_baseline
from tasks.edge import HOSTS_HELP, VERSION, command, desk
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
        "release": "the release whose migrations were all run",
        "reason": "why; kept in the journal",
        "yes": "do not ask",
    }
)
def baseline(c: Context, hosts: str = "", release: str = "", reason: str = "", yes: bool = False) -> None:
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
        for deployment in selection.deployments:
            refuse_baseline(deployment, {host.name: facts[host.name] for host in deployment.hosts}, release)
        if sitting.dry:
            return
        sitting.confirm(f"settle {', '.join(d.name for d in selection.deployments)} at {release}?", yes)
        for deployment in selection.deployments:
            line = canonical(
                {
                    "v": JOURNAL,
                    "run": fresh_run(),
                    "event": "settled",
                    "at": int(time.time()),
                    "by": sitting.by,
                    "deployment": deployment.name,
                    "scope": Scope.DEPLOYMENT.value,
                    "tool": f"stormlift {VERSION}",
                    "data": {"release": release, "reason": reason, "baseline": True},
                }
            )
            for host in deployment.hosts:
                sitting.fleet[host.name].record([line])
            sitting.out(f"{deployment.name}: settled at {release}")
