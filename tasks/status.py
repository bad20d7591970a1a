"""invoke status: where hosts stand; changes nothing."""

import json as json_

from invoke.context import Context

import migrations
from rollout.model import Deployment
from rollout.status import status as status_of
from rollout.status import status_rows
from tasks.edge import HOSTS_HELP, Desk, command, desk
from tasks.screen import table


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def status(c: Context, hosts: str = "", json: bool = False) -> None:
    """Show versions, services, hold, pending steps, an open run and locks; changes nothing."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        facts = sitting.fleet.facts(selection.hosts)
        data = status_of(selection.deployments, facts, migrations.ALL)
        sitting.out(json_.dumps(data, indent=1) if json else table(*status_rows(data)))


def show_status(sitting: Desk, deployments: tuple[Deployment, ...]) -> None:
    """The status table of DEPLOYMENTS, read back now."""
    facts = sitting.fleet.facts(host for deployment in deployments for host in deployment.hosts)
    sitting.out("")
    sitting.out(table(*status_rows(status_of(deployments, facts, migrations.ALL))))
