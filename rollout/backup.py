"""Backups: the steps that take one, and the plans of commands that take, prove and put back one. Pure: facts in, plans out."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

from rollout import catalogue
from rollout.actions import Hosts, per_host
from rollout.errors import PlanRefused
from rollout.facts import BackupFacts, Facts, mistral_host, store_host
from rollout.journal import open_run
from rollout.model import Deployment, DeploymentPlan, Kind, Phase, PhasePlan, Scope, Step

CREATE = "backup.create"
SCHEMA = "stormlift.backups/1"
DUMPS = {
    "backup.mistral": ("mistral.dump",),
    "backup.store": ("store.archive",),
    "backup.databases": ("mistral.dump", "store.archive"),
}
MISTRAL = Step(
    "backup.mistral",
    "dump Mistral's database and read the dump back",
    Phase.BACKUP,
    ("stormlift-host", "mistral", "dump"),
    scope=Scope.DEPLOYMENT,
    needs="st2mistral",
    timeout=7200,
    why="after the database is upgraded there is no other way back",
)
STORE = Step(
    "backup.store",
    "dump st2's database and read the dump back",
    Phase.BACKUP,
    ("stormlift-host", "store", "dump"),
    scope=Scope.DEPLOYMENT,
    needs="st2",
    timeout=7200,
    why="migrations rewrite keys and content in their place",
    source="st2docs, backup and restore: mongodump",
)


def files(facts: Hosts) -> tuple[Step, ...]:
    """Keep, while st2 serves, what does not change under it; what changes all the same is copied again by `sealed`."""

    def keep(host: Facts) -> Step:
        return Step(
            "backup.files",
            "keep configuration, keys, package list, packs, pip freeze and audit logs",
            Phase.FETCH,
            ("stormlift-host", "backup", "files", *(f"{unit}.service" for unit in host.units if "." not in unit)),
            timeout=1800,
            why="a package upgrade can replace st2.conf",
            source="StackStorm/st2-packages issue 412",
        )

    return per_host(facts, keep)


BOTH = Step(
    "backup.databases",
    "dump Mistral's and st2's database side by side, and read the dumps back",
    Phase.BACKUP,
    ("stormlift-host", "dumps", "mistral", "store"),
    scope=Scope.DEPLOYMENT,
    needs="st2mistral",
    timeout=7200,
    why="migrations rewrite both in their place, and st2 waits for the slower dump alone",
    source="st2docs, backup and restore: mongodump",
)


def dumps(facts: Hosts) -> tuple[Step, ...]:
    """Dump what the deployment shares, once, on the host that can."""
    mistral, store = mistral_host(facts), store_host(facts)
    if mistral and "st2" in facts[mistral].installed and store:
        return (replace(BOTH, hosts=(mistral,)),)
    steps = (replace(MISTRAL, hosts=(mistral,)),) if mistral else ()
    return (*steps, replace(STORE, hosts=(store,))) if store else steps


def sealed(facts: Hosts, dumped: tuple[Step, ...], release: str, external: str = "") -> tuple[Step, ...]:
    """Copy again what has changed since `files`, read everything back, and write the manifest that makes it a backup."""

    def seal(host: Facts) -> Step:
        needs = [f"needs={name}" for step in dumped if host.host in step.hosts for name in DUMPS[step.id]]
        told = [f"release={release}", *([f"hosts={','.join(facts)}"] if len(facts) > 1 else [])]
        told += [f"external={external}"] if external else []
        return Step(
            "backup.seal",
            "read the backup back and seal it",
            Phase.BACKUP,
            ("stormlift-host", "backup", "seal", *needs, *(f"set={name}" for name in catalogue.PACKAGES), *told),
            timeout=3600,
            why="what was never read back is no backup",
        )

    return per_host(facts, seal)


def taken(facts: Hosts, release: str, external: str = "") -> tuple[Step, ...]:
    """The backup phase of a run: dumps, unless they are taken elsewhere for the reason EXTERNAL, then the seal."""
    dumped = () if external else dumps(facts)
    return (*dumped, *sealed(facts, dumped, release, external))


def of_mistral(facts: Hosts) -> tuple[Step, ...]:
    """The backup of a run that touches nothing but Mistral's database, on the host that dumps it."""
    host = mistral_host(facts)
    dumped = (replace(MISTRAL, hosts=(host,)),)
    return (*dumped, *sealed({host: facts[host]}, dumped, facts[host].release)) if host else ()


def checked(backup: Mapping[str, BackupFacts]) -> tuple[Step, ...]:
    """Hold every file of a backup against its manifest, on each host that has a part of it."""
    step = Step(
        "backup.check",
        "every file of the backup is what its manifest says",
        Phase.PREFLIGHT,
        kind=Kind.CHECK,
        timeout=3600,
        why="nothing is stopped for a backup that cannot be put back",
    )
    return tuple(
        replace(step, argv=("stormlift-host", "backup", "check", each.name), hosts=(host,))
        for host, each in backup.items()
    )


def create(
    deployment: Deployment,
    facts: Hosts,
    external: str = "",
    forgotten: tuple[Step, ...] = (),
    notes: tuple[str, ...] = (),
) -> DeploymentPlan:
    """A backup by itself, taken while st2 serves; when it is whole, older ones are FORGOTTEN."""
    release = next((each.release for each in facts.values() if each.release), "")
    if not release:
        raise PlanRefused(
            f"{deployment.name}: no package of st2 is installed", "check the inventory: is this an st2 host?"
        )
    phases = {Phase.FETCH: files(facts), Phase.BACKUP: taken(facts, release, external), Phase.SETTLE: forgotten}
    return DeploymentPlan(
        name=deployment.name,
        command=CREATE,
        hosts=tuple(host.name for host in deployment.hosts),
        origin=release,
        target=release,
        phases=tuple(PhasePlan(CREATE, phase, steps) for phase, steps in phases.items() if steps),
        before={name: each.before for name, each in facts.items()},
        notes=notes,
        external=external,
        abandons=next((r.run for each in facts.values() if (r := open_run(each.journal, CREATE))), ""),
    )


def listed(deployments: Mapping[str, Hosts]) -> dict[str, Any]:
    """Every backup of DEPLOYMENTS as one object, newest first, with its parts on the hosts."""
    found = []
    for deployment, facts in deployments.items():
        parts: dict[str, dict[str, BackupFacts]] = {}
        for host, each in facts.items():
            for part in each.backups:
                parts.setdefault(part.name, {})[host] = part
        found += [_row(deployment, name, each) for name, each in parts.items()]
    return {"schema": SCHEMA, "backups": sorted(found, key=lambda row: -row["at"])}


def _row(deployment: str, name: str, parts: Mapping[str, BackupFacts]) -> dict[str, Any]:
    meant = {host for each in parts.values() for host in each.hosts.split(",") if host}
    wrong = [f"{host}: {each.wrong}" for host, each in parts.items() if each.wrong]
    return {
        "name": name,
        "deployment": deployment,
        "release": max((each.release for each in parts.values()), default=""),
        "at": max(each.at for each in parts.values()),
        "bytes": sum(each.bytes for each in parts.values()),
        "external": next((each.external for each in parts.values() if each.external), ""),
        "wrong": wrong + [f"{host} has no part of it" for host in sorted(meant - set(parts))],
        "hosts": {host: {"bytes": each.bytes, "files": each.files} for host, each in parts.items()},
    }


def rows(data: Mapping[str, Any], told: Callable[[int], str]) -> tuple[tuple[str, ...], list[tuple[str, ...]]]:
    """The head and the rows of the table that a person reads; TOLD puts a moment into words."""
    head = ("backup", "deployment", "st2", "taken", "size", "hosts", "databases", "state")
    return head, [
        (
            each["name"],
            each["deployment"],
            each["release"] or "-",
            told(each["at"]),
            size(each["bytes"]),
            ", ".join(each["hosts"]),
            _databases(each),
            "; ".join(each["wrong"]) or "whole",
        )
        for each in data["backups"]
    ]


def _databases(row: Mapping[str, Any]) -> str:
    if row["external"]:
        return f"elsewhere: {row['external']}"
    names = {"mistral.dump": "Mistral", "store.archive": "st2"}
    return (
        ", ".join(word for file, word in names.items() if any(file in each["files"] for each in row["hosts"].values()))
        or "none"
    )


def size(count: float) -> str:
    """COUNT bytes as an operator says them."""
    for unit in ("bytes", "KiB", "MiB"):
        if count < 1024:
            return f"{count:.0f} {unit}"
        count /= 1024
    return f"{count:.1f} GiB"
