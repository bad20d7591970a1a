"""What must be settled before any change: facts in, findings out. Pure."""

from collections.abc import Callable, Iterator, Mapping

from rollout import unfinished
from rollout.facts import Facts
from rollout.findings import found
from rollout.model import Finding
from rollout.preflight import databases, files, hosts, journals, packages

Hosts = Mapping[str, Facts]
Check = Callable[[str, Hosts, str], Iterator[Finding]]
# Asked of every release on the way: an end of the road lies anywhere on it.
_OF_EVERY_STOP: tuple[Check, ...] = (hosts.identity, packages.candidates)
_OF_FIRST_STOP: tuple[Check, ...] = (packages.versions, journals.journal)
_OF_TARGET: tuple[Check, ...] = (
    packages.health,
    packages.repositories,
    databases.mistral_state,
    databases.tools,
    databases.store_tools,
    databases.store_login,
    databases.differ,
    databases.stores,
    databases.silent,
    databases.keys,
    hosts.disk,
    hosts.clocks,
    hosts.restarters,
    files.conffiles,
    files.scripts,
    files.virtualenvs,
    unfinished.executions,
)


def inspect(deployment: str, facts: Hosts, target: str, stops: tuple[str, ...] = ()) -> tuple[Finding, ...]:
    """Everything that speaks against, or should be known before, taking DEPLOYMENT to TARGET by way of STOPS."""
    every, first = tuple(dict.fromkeys((*stops, target))), (stops or (target,))[:1]
    asked = ((_OF_EVERY_STOP, every), (_OF_FIRST_STOP, first), (_OF_TARGET, (target,)))
    met = (
        finding
        for checks, releases in asked
        for check in checks
        for release in releases
        for finding in check(deployment, facts, release)
    )
    return tuple(dict.fromkeys(met))


def shared_databases(deployments: Mapping[str, Hosts]) -> tuple[Finding, ...]:
    """Two deployments on one database are one deployment that the inventory tears apart."""
    owners: dict[tuple[str, str], str] = {}
    findings = []
    for name, facts in deployments.items():
        for host, each in facts.items():
            store = each.around.store
            mine = (
                ("database-shared", each.mistral.identity if each.mistral else "", "use one Mistral database"),
                ("store-shared", "" if databases.local(store) else store, f"name {store} as their MongoDB"),
            )
            for key, identity, what in mine:
                if identity and (other := owners.setdefault((key, identity), name)) != name:
                    findings.append(found(key, host, f"{name} and {other} {what}"))
    return tuple(findings)


def of_dump(deployment: str, facts: Hosts) -> tuple[Finding, ...]:
    """What speaks against any work on the Mistral database of DEPLOYMENT: it cannot be dumped."""
    return tuple(databases.tools(deployment, facts, ""))
