"""Hosts as their facts show them, made from a name and a release: what planner tests start from."""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from rollout import catalogue
from rollout.facts import Facts, MistralFacts, Session
from rollout.journal import Record
from rollout.model import Deployment, Host, UnitState
from rollout.versions import order

SET = ("st2", "st2web", "st2chatops", "st2mistral")
RELEASES = ("2.2.1", "2.2.0", "2.1.1", "2.0.1", "1.5.1", "1.4.0")
# All packages of a release share X.Y.Z, none shares the revision.
_REVISIONS = {"st2": "8", "st2web": "3", "st2chatops": "2", "st2mistral": "4", "bwc-enterprise": "5"}
_ALL_UNITS = catalogue.all_units()
_UNITS_OF = {
    "st2chatops": ("st2chatops",),
    "st2mistral": catalogue.MISTRAL_UNITS,
    "st2web": (),
    "bwc-enterprise": (),
}
# One table of each kind: what stands before 2.2, and what stands after it.
_OLD_ROWS = {"executions_v2": 20}
_NEW_ROWS = {**_OLD_ROWS, "action_executions_v2": 0, "task_executions_v2": 0, "workflow_executions_v2": 0}


def version(package: str, release: str) -> str:
    """The package version of RELEASE, as both package managers write it here."""
    return f"{release}-{_REVISIONS[package]}"


def units(release: str, packages: Iterable[str], state: UnitState | None = None) -> dict[str, UnitState]:
    """The units that PACKAGES of RELEASE bring, all running and enabled unless STATE says otherwise."""
    there = set(packages)
    elsewhere = {unit for package in _UNITS_OF for unit in _UNITS_OF[package]}
    named = [u for p in _UNITS_OF if p in there for u in _UNITS_OF[p]]
    own = [unit for unit in catalogue.components(release) if unit not in elsewhere] if "st2" in there else []
    wanted = {*own, *named} & set(catalogue.components(release))
    return {u: state or UnitState("active", "enabled") for u in _ALL_UNITS if u in wanted}


def mistral(release: str, **changes: Any) -> MistralFacts:
    """Mistral's database as the package of RELEASE wants it, with some history in it."""
    head = catalogue.mistral_head(release)
    facts = MistralFacts(
        state="upgraded",
        sentence=f"Mistral's database is at its head revision {head}",
        revision=head,
        head=head,
        rows=dict(_OLD_ROWS if head < "020" else _NEW_ROWS),
        unfinished=2,
        sessions=(Session("127.0.0.1/32", "", "mistral"),),
        identity="6841000000000000001/mistral",
        size=9_133_415,
    )
    return replace(facts, **changes)


def broken_mistral(**changes: Any) -> MistralFacts:
    """The database after mistral of 2.2 started on revision 011: its five tables stand already."""
    pending = tuple(f"{number:03}" for number in range(12, 21))
    drop = ("action_executions_v2", "event_triggers_v2", "named_locks", "task_executions_v2", "workflow_executions_v2")
    values: dict[str, Any] = {
        "state": "broken",
        "sentence": "Mistral's database is broken",
        "revision": "011",
        "pending": pending,
        "drop": drop,
        "rows": {**_OLD_ROWS, **dict.fromkeys(drop, 0)},
        "sessions": (),
    }
    return mistral("2.2.1", **{**values, **changes})


def settled_at(release: str, host: str, deployment: str) -> tuple[Record, ...]:
    """A journal whose only run went well and settled RELEASE."""
    base = Record(1, "r0", "opened", 1, deployment, host, data={"command": "upgrade", "to": release})
    return (
        base,
        replace(base, event="settled", at=2, data={"release": release}),
        replace(base, event="closed", at=3, data={"outcome": "done"}),
    )


def box(name: str, release: str, *, packages: tuple[str, ...] = SET, settled: str = "", **changes: Any) -> Facts:
    """A healthy host of the apt family at RELEASE."""
    young = order(release) >= order("1.6")  # st2 was built for xenial from then on
    facts = Facts(
        host=name,
        distro="xenial" if young else "jessie",
        os_name="Ubuntu 16.04.7 LTS" if young else "Debian GNU/Linux 8 (jessie)",
        init="systemd",
        manager="apt",
        expected_manager="apt",
        installed={package: version(package, release) for package in packages},
        available={package: tuple(version(package, each) for each in RELEASES) for package in packages},
        units=units(release, packages),
        mistral=mistral(release) if "st2mistral" in packages else None,
        journal=settled_at(settled, name, name) if settled else (),
        free_kib={"/var": 80 << 20, "/opt": 80 << 20, "/tmp": 8 << 20},
        clock=1_490_000_000,
        tools=("apt-get", "dpkg-query", "pg_dump", "pg_restore"),
    )
    return replace(facts, **changes)


def yum_box(name: str, release: str, **changes: Any) -> Facts:
    """A healthy host of the yum family at RELEASE."""
    family = {"distro": "el7", "os_name": "CentOS Linux 7 (Core)", "manager": "yum", "expected_manager": "yum"}
    return box(name, release, **{**family, **changes})


def deployment(name: str, *hosts: str, target: str = "") -> Deployment:
    """A deployment of HOSTS, or of the one host NAME."""
    return Deployment(name, tuple(Host(each, f"{each}.example.com") for each in hosts or (name,)), target)


def by_name(*facts: Facts) -> dict[str, Facts]:
    """FACTS by the name of their host."""
    return {each.host: each for each in facts}
