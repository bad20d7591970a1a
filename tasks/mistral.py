"""invoke mistral.*: the database that Mistral keeps, looked at, upgraded, repaired, its old rows exported."""

import json as json_

from invoke.context import Context

from rollout import mistral, repairs
from tasks.edge import HOSTS_HELP, command, desk
from tasks.work import Orders, change

_HELP = {"hosts": HOSTS_HELP, "yes": "do not ask", "json": "one JSON object on stdout"}


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def status(c: Context, hosts: str = "", json: bool = False) -> None:
    """Say in which state the Mistral database of each deployment is; changes nothing."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=True)
        facts = sitting.fleet.facts(host for each in selection.deployments for host in each.hosts)
        rows = [
            mistral.status(each.name, {host.name: facts[host.name] for host in each.hosts})
            for each in selection.deployments
        ]
        if json:
            sitting.out(json_.dumps({"schema": "stormlift.mistral/1", "deployments": rows}, indent=1))
            return
        for row in rows:
            sitting.out(mistral.status_text(row))


@command(help=_HELP)
def upgrade(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Bring the Mistral database to the head of the installed package: mistral stopped everywhere, dump first."""
    change(c, hosts, Orders("mistral.upgrade", yes=yes, as_json=json), repairs.upgrade_mistral)


@command(help={**_HELP, "drop_rows": "also drop tables that hold rows (they are dumped first)"})
def recover(c: Context, hosts: str = "", drop_rows: bool = False, yes: bool = False, json: bool = False) -> None:
    """Repair a Mistral database that a service broke by starting before it was upgraded; refuses any other state."""
    change(c, hosts, Orders("mistral.recover", yes=yes, as_json=json), lambda d, f: repairs.recover(d, f, drop_rows))


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the new folder for the files; without it exports/NAME-TIME beside the runs",
        "dump": "read this file on the host (made by pg_dump -Fc) instead of its database",
        "html": "also write a page, a file of its own, that searches the records in a browser",
        "json": "one JSON object on stdout",
    }
)
def export(c: Context, hosts: str = "", to: str = "", dump: str = "", html: bool = False, json: bool = False) -> None:
    """Write the old executions, which no new release shows, as JSON lines and CSV; changes nothing on the hosts."""
    from tasks import exports

    with desk(c) as sitting:
        made = []
        try:
            for folder, manifest in exports.every(sitting, hosts, to, dump, html):
                made.append({"folder": str(folder), **manifest})
                if not json:
                    sitting.out(exports.told(folder, manifest))
        finally:
            # Of several deployments a later one may fail: what was exported before it stands on the disk and is told.
            if made:
                sitting.say(exports.PRIVATE)
            if json and made:
                sitting.out(json_.dumps({"schema": "stormlift.mistral.export/1", "exports": made}, indent=1))
