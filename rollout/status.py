"""Where hosts stand: facts in, rows and JSON out. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from rollout import catalogue, pause
from rollout.drift import drift
from rollout.facts import Facts
from rollout.journal import going_back, open_run, settled
from rollout.model import Deployment, Migration
from rollout.pending import due
from rollout.versions import PackageVersion

SCHEMA = "stormlift.status/1"


def status(
    deployments: Iterable[Deployment], facts: Mapping[str, Facts], migrations: Iterable[Migration]
) -> dict[str, Any]:
    """Everything that `invoke status` knows, as one object with hosts[]."""
    known = tuple(migrations)
    rows = []
    for deployment in deployments:
        here = {host.name: facts[host.name] for host in deployment.hosts if host.name in facts}
        late, drifted = due(deployment, here, known), drift(here)
        for name, each in here.items():
            ids = [one.step.id for one in late if name in one.hosts]
            rows.append(_host(deployment.name, each, ids, drifted[name]))
    return {"schema": SCHEMA, "hosts": rows}


def _host(deployment: str, host: Facts, late: list[str], drifted: tuple[str, ...]) -> dict[str, Any]:
    run = going_back(host.journal) or open_run(host.journal)
    mistral = host.mistral
    return {
        "name": host.host,
        "deployment": deployment,
        "distro": host.distro or host.os_name,
        "package_manager": host.manager,
        "installed": host.installed,
        "release": host.release,
        "settled": settled(host.journal),
        "services": {unit: state.active for unit, state in host.units.items()},
        "pending": late,
        "drift": list(drifted),
        "run": run.run if run else "",
        "lock": f"{host.lock.by} ({host.lock.message})" if host.lock else "",
        "hold": host.hold,
        "paused": pause.sentence(found) if (found := pause.newest(host.journal)) else "",
        "damage": host.damage,
        "unsettled": list(host.around.left),
        "mistral": {"state": mistral.state, "revision": mistral.revision, "head": mistral.head} if mistral else None,
    }


def status_rows(data: Mapping[str, Any]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows of the table that a person reads."""
    head = ("host", "deployment", "system", "st2", "set", "settled", "services", "mistral", "remarks")
    return head, [_row(host) for host in data["hosts"]]


def _row(host: Mapping[str, Any]) -> tuple[str, ...]:
    services = [active for unit, active in host["services"].items() if not unit.endswith(".socket")]
    releases = {PackageVersion.parse(text).release for text in host["installed"].values()}
    mistral = host["mistral"]
    remarks = [f"hold: {host['hold']}"] if host["hold"] else []
    remarks += [f"run {host['run']} is open"] if host["run"] else []
    remarks += [f"lock: {host['lock']}"] if host["lock"] else []
    remarks += [host["paused"]] if host["paused"] else []
    remarks += [f"drift: {'; '.join(host['drift'])}"] if host["drift"] else []
    remarks += [f"pending: {', '.join(host['pending'])}"] if host["pending"] else []
    remarks += [host["damage"]] if host["damage"] else []
    unsettled = len(host["unsettled"])
    remarks += [f"{unsettled} new configuration file{'s' * (unsettled > 1)}: invoke config.diff"] if unsettled else []
    return (
        host["name"],
        host["deployment"],
        f"{host['distro']} ({host['package_manager']})",
        host["installed"].get("st2", "-"),
        "one release" if len(releases) == 1 else "mixed",
        host["settled"] or "-",
        f"{services.count('active')} of {len(services)} active",
        _mistral(mistral) if mistral else "-",
        "; ".join(remarks) or "-",
    )


def _mistral(mistral: Mapping[str, str]) -> str:
    at = (
        f"{mistral['revision']} (head)"
        if mistral["revision"] == mistral["head"]
        else f"{mistral['revision']} of {mistral['head']}"
    )
    return f"{mistral['state']}, {at}" if mistral["revision"] else mistral["state"]


def reachable(release: str, distro: str) -> tuple[str, ...]:
    """The releases after RELEASE that the distribution can reach, for the hint when no target is given."""
    where = catalogue.DISTROS.get(distro)
    later = catalogue.between(release, catalogue.RELEASES[-1])
    return tuple(each for each in later if where is None or catalogue.built_for(where, each))
