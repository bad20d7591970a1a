"""invoke config.*: what packages brought anew beside the operator's configuration."""

import json as json_

from invoke.context import Context

from rollout import config
from tasks.edge import HOSTS_HELP, command, desk


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def diff(c: Context, hosts: str = "", json: bool = False) -> None:
    """Show what lies unsettled beside configuration files, against what was shipped before; changes nothing."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        said = sitting.fleet.everywhere(selection.hosts, lambda host: host.probe("config", "look"))
        data = config.report(selection.deployments, said, sitting.mask)
        sitting.out(json_.dumps(data, indent=1) if json else config.text(data))
