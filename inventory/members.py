"""Read deployments: and groups:, which put hosts together."""

from collections.abc import Collection, Mapping

from inventory import reach
from inventory.document import Entry, Listing, Place, Scalar, mistake
from inventory.hosts import Places
from inventory.shapes import close, named, names, table
from rollout.model import Deployment, Host


def read_deployments(
    entry: Entry | None, hosts: Mapping[str, Host], gateways: Collection[str], target: str, places: Places
) -> tuple[Deployment, ...]:
    """The deployments as written, then one for each host that none of them holds and that is nobody's gateway."""
    owner: dict[str, str] = {}
    deployments = []
    for name, each in (named(entry.value, "deployments") if entry else {}).items():
        places[f"deployments.{name}"] = each.place
        deployment = _deployment(name, each, hosts, target)
        _own(deployment, owner, each, places)
        deployments.append(deployment)
    single = (host for name, host in hosts.items() if name not in owner and name not in gateways)
    return (*deployments, *(Deployment(name=host.name, hosts=(host,), target=target) for host in single))


def _deployment(name: str, entry: Entry, hosts: Mapping[str, Host], target: str) -> Deployment:
    key = f"deployments.{name}"
    listed, place = entry.value, entry.place
    if not isinstance(entry.value, Listing):
        entries = table(entry.value, key, ("hosts", "target"))
        if "hosts" not in entries:
            raise mistake(place, f"{key}.hosts", "missing, expected a list of hosts")
        if "target" in entries:
            target = reach.target(entries["target"].value, f"{key}.target")
        listed, key = entries["hosts"].value, f"{key}.hosts"
    members = names(listed, key)
    for member, word in members.items():
        if member not in hosts:
            raise mistake(word.place, key, f"no host is called {member}", close(member, hosts))
    return Deployment(name=name, hosts=tuple(hosts[member] for member in members), target=target)


def _own(deployment: Deployment, owner: dict[str, str], entry: Entry, places: Places) -> None:
    for host in deployment.hosts:
        if (other := owner.setdefault(host.name, deployment.name)) != deployment.name:
            what = f"{host.name} is in {other} already ({places[f'deployments.{other}']}), expected in one alone"
            raise mistake(entry.place, f"deployments.{deployment.name}", what)


def read_groups(entry: Entry | None, deployments: tuple[Deployment, ...], places: Places) -> dict[str, tuple[str, ...]]:
    """The groups, each as the names of its hosts; a group may hold deployments, hosts and other groups."""
    members: dict[str, dict[str, Scalar]] = {}
    for name, each in (named(entry.value, "groups") if entry else {}).items():
        places[f"groups.{name}"] = each.place
        members[name] = names(each.value, f"groups.{name}")
    known: dict[str, tuple[str, ...]] = {each.name: (each.name,) for owner in deployments for each in owner.hosts}
    known |= {deployment.name: tuple(host.name for host in deployment.hosts) for deployment in deployments}
    return {name: tuple(dict.fromkeys(_expand(name, members, known, ()))) for name in members}


def _expand(
    name: str, members: Mapping[str, Mapping[str, Scalar]], known: Mapping[str, tuple[str, ...]], way: tuple[str, ...]
) -> list[str]:
    way = (*way, name)
    found: list[str] = []
    for member, word in members[name].items():
        if member in way:
            raise _circle(word.place, way, member)
        if member in members:
            found += _expand(member, members, known, way)
        elif member in known:
            found += known[member]
        else:
            what = f"no deployment, host or group is called {member}"
            raise mistake(word.place, f"groups.{name}", what, close(member, [*known, *members]))
    return found


def _circle(place: Place, way: tuple[str, ...], member: str) -> Exception:
    return mistake(place, f"groups.{way[-1]}", f"a group that holds itself: {', '.join([*way, member])}")
