"""invoke services.*: stopped, started, restarted, and proved."""

import json as json_

from invoke.context import Context

from rollout import catalogue, repairs
from tasks.edge import HOSTS_HELP, command, desk
from tasks.screen import table
from tasks.work import Orders, change

_HELP = {"hosts": HOSTS_HELP, "yes": "do not ask", "json": "one JSON object on stdout"}


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def status(c: Context, hosts: str = "", json: bool = False) -> None:
    """Show every unit of st2 on every host; changes nothing."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        facts = sitting.fleet.facts(selection.hosts, evidence=False)
        known = catalogue.all_units()
        rows = [
            (name, unit, each.units[unit].active, each.units[unit].enabled)
            for name, each in facts.items()
            for unit in known
            if unit in each.units
        ]
        if json:
            keys = ("host", "unit", "active", "enabled")
            data = {"schema": "stormlift.services/1", "units": [dict(zip(keys, row, strict=True)) for row in rows]}
            sitting.out(json_.dumps(data, indent=1))
        else:
            sitting.out(table(("host", "unit", "active", "at boot"), rows))


@command(help=_HELP)
def stop(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Stop everything of st2, Mistral's three services and leftovers included, and prove it."""
    change(c, hosts, Orders("services.stop", yes=yes, as_json=json), repairs.stop_services)


@command(help=_HELP)
def start(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Release a hold and start what is enabled; gives up an upgrade that has not touched packages yet."""
    change(c, hosts, Orders("services.start", yes=yes, as_json=json), repairs.start_services)


@command(help=_HELP)
def restart(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Stop what runs, prove it, and start the same again."""
    change(c, hosts, Orders("services.restart", yes=yes, as_json=json), repairs.restart_services)


@command(help=_HELP)
def reload(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Register all content again, and say so when that fails."""
    change(c, hosts, Orders("services.reload", yes=yes, as_json=json), repairs.reload_services)
