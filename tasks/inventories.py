"""invoke inventory.*: who there is, and which host keys are trusted."""

import json as json_

from invoke.context import Context

from rollout.codec import encode
from tasks.edge import HOSTS_HELP, command, desk
from tasks.screen import table


@command(help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def show(c: Context, hosts: str = "*", json: bool = False) -> None:
    """Show hosts and deployments as the inventory has them."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        chosen = {host.name for host in selection.hosts}
        pairs = [(each, host) for each in selection.deployments for host in each.hosts if host.name in chosen]
        if json:
            data = {"schema": "stormlift.inventory/1", "deployments": [encode(each) for each in selection.deployments]}
            sitting.out(json_.dumps(data, indent=1))
            return
        rows = [(d.name, h.name, f"{h.user}@{h.address}:{h.port}", h.sudo, d.target or "-") for d, h in pairs]
        sitting.out(table(("deployment", "host", "login", "sudo", "target"), rows))


@command(help={"hosts": HOSTS_HELP, "yes": "do not ask; only where nobody can be in between"})
def trust(c: Context, hosts: str = "", yes: bool = False) -> None:
    """Show the host keys that hosts offer and write them into known_hosts once they are confirmed."""
    from remote.trust import Offered, offered, write

    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        new: list[Offered] = []
        for host in selection.hosts:
            offer = offered(host, sitting.known_hosts(host.name), sitting.fleet.tunnel(host))
            sitting.out(f"{host.name}: {offer.fingerprint}: {offer.standing}")
            if offer.standing != "trusted":
                new.append(offer)
        if not new or sitting.dry:
            return
        sitting.confirm("are these the hosts' own (ssh-keygen -lf /etc/ssh/ssh_host_*.pub on each)?", yes)
        for offer in new:
            write(offer)
            sitting.out(f"{offer.host}: written to {offer.known_hosts}")
