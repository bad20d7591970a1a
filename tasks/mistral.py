"""invoke mistral.*: the database that Mistral keeps, looked at, upgraded, repaired."""

import json as json_
from typing import Any

from invoke.context import Context

from rollout import repairs
from rollout.facts import Facts, mistral_host
from rollout.model import Deployment
from tasks.edge import HOSTS_HELP, command, desk
from tasks.work import Orders, change

_HELP = {"hosts": HOSTS_HELP, "yes": "do not ask", "json": "one JSON object on stdout"}


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def status(c: Context, hosts: str = "", json: bool = False) -> None:
    """Say in which state the Mistral database of each deployment is; changes nothing."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=True)
        facts = sitting.fleet.facts(host for each in selection.deployments for host in each.hosts)
        rows = [_state(each, {host.name: facts[host.name] for host in each.hosts}) for each in selection.deployments]
        if json:
            sitting.out(json_.dumps({"schema": "stormlift.mistral/1", "deployments": rows}, indent=1))
            return
        for row in rows:
            sitting.out(_told(row))


def _state(deployment: Deployment, facts: dict[str, Facts]) -> dict[str, Any]:
    state = facts[host].mistral if (host := mistral_host(facts)) else None
    running = [f"{name}: {line}" for name, each in facts.items() for line in each.processes if "mistral" in line]
    return {
        "name": deployment.name,
        "state": state.state if state else "absent",
        "sentence": state.sentence if state else "no host carries st2mistral",
        "revision": state.revision if state else "",
        "head": state.head if state else "",
        "pending": list(state.pending) if state else [],
        "drop": list(state.drop) if state else [],
        "rows": state.rows if state else {},
        "unfinished": state.unfinished if state else 0,
        "sessions": [f"{each.user} from {each.address}" for each in state.sessions] if state else [],
        "processes": running,
    }


def _told(row: dict[str, Any]) -> str:
    lines = [f"{row['name']}: {row['state']}: {row['sentence']}"]
    if row["pending"]:
        lines.append(f"  pending revisions: {', '.join(row['pending'])}")
    if row["drop"]:
        lines.append(f"  stand already: {', '.join(row['drop'])}; next: invoke mistral.recover --hosts {row['name']}")
    lines += [f"  rows: {', '.join(f'{name} {count}' for name, count in row['rows'].items())}"] if row["rows"] else []
    lines.append(f"  sessions: {len(row['sessions'])}, processes: {len(row['processes'])}")
    return "\n".join(lines)


@command(help=_HELP)
def upgrade(c: Context, hosts: str = "", yes: bool = False, json: bool = False) -> None:
    """Bring the Mistral database to the head of the installed package: mistral stopped everywhere, dump first."""
    change(c, hosts, Orders("mistral.upgrade", yes=yes, as_json=json), repairs.upgrade_mistral)


@command(help={**_HELP, "drop_rows": "also drop tables that hold rows (they are dumped first)"})
def recover(c: Context, hosts: str = "", drop_rows: bool = False, yes: bool = False, json: bool = False) -> None:
    """Repair a Mistral database that a service broke by starting before it was upgraded; refuses any other state."""
    change(c, hosts, Orders("mistral.recover", yes=yes, as_json=json), lambda d, f: repairs.recover(d, f, drop_rows))
