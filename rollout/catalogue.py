"""What is true of every st2 release: releases, packages, services, distros, Mistral heads.

Sources: release tags of StackStorm/st2, COMPONENTS of st2common/bin/st2ctl at each tag, the build matrix of
StackStorm/st2-packages at each branch, and the migrations of StackStorm/mistral at each st2-X.Y.Z tag.
"""

from dataclasses import dataclass
from functools import cache

from rollout.errors import UnknownRelease
from rollout.versions import PackageVersion, minor, order

# fmt: off
RELEASES: tuple[str, ...] = (
    "1.4.0", "1.5.0", "1.5.1", "1.6.0",
    "2.0.0", "2.0.1", "2.1.0", "2.1.1", "2.2.0", "2.2.1", "2.3.0", "2.3.1", "2.3.2", "2.4.0", "2.4.1", "2.5.0", "2.5.1",
    "2.6.0", "2.7.0", "2.7.1", "2.7.2", "2.8.0", "2.8.1", "2.9.0", "2.9.1", "2.9.2", "2.9.3",
    "2.10.0", "2.10.1", "2.10.2", "2.10.3", "2.10.4",
    "3.0.0", "3.0.1", "3.1.0", "3.2.0", "3.3.0", "3.4.0", "3.4.1", "3.5.0", "3.6.0", "3.7.0", "3.8.0", "3.8.1", "3.9.0",
)
# fmt: on

PACKAGES = ("st2", "st2web", "st2chatops", "st2mistral", "bwc-enterprise", "st2enterprise")
"""The packages that move as one set; all of a release share X.Y.Z, none shares the revision."""

# First and last minor; "" for one that is still built.
_PACKAGE_BANDS = {"st2mistral": ("1.4", "3.2"), "st2enterprise": ("1.4", "1.6"), "bwc-enterprise": ("2.0", "3.2")}

MIGRATION_SCRIPTS = (
    "st2-migrate-datastore-to-include-scope-secret.py",
    "st2-migrate-datastore-scopes.py",
    "st2-migrate-runners.sh",
    "st2-migrate-db-dict-field-values",
)
"""Every migration script that a release put beside its programs, oldest first."""

MISTRAL_UNITS = ("mistral", "mistral-api", "mistral-server")
"""The wrapper and its two children: stopping the wrapper alone leaves children that were started by themselves."""

_CORE = [
    "st2actionrunner",
    "st2api",
    "st2stream",
    "st2auth",
    "st2garbagecollector",
    "st2notifier",
    "st2resultstracker",
    "st2rulesengine",
    "st2sensorcontainer",
    "st2chatops",
]
_SOCKETS = ("st2api.socket", "st2auth.socket", "st2stream.socket")
_NEW_SERVICES = {"2.8": ["st2workflowengine"], "2.9": ["st2timersengine"], "2.10": ["st2scheduler"]}

FEEDERS = ("st2sensorcontainer", "st2rulesengine", "st2timersengine", "st2chatops")
"""What feeds work into a deployment; these stop first."""

_MISTRAL_HEADS = {"1.4": "011", "2.2": "020", "2.4": "022", "2.5": "024", "3.3": ""}
_MISTRAL_CREATES = {
    "010": ("resource_members_v2",),
    "012": ("event_triggers_v2",),
    "013": ("action_executions_v2", "workflow_executions_v2", "task_executions_v2"),
    "017": ("named_locks",),
}


@dataclass(frozen=True)
class Distro:
    """A distribution that st2 was built for; `last` is the highest minor it reaches, "" while it is still built."""

    name: str
    family: str
    first: str
    last: str
    mistral_until: str


DISTROS = {
    each.name: each
    for each in (
        Distro("wheezy", "apt", "1.4", "2.2", "2.2"),
        Distro("jessie", "apt", "1.4", "2.2", "2.2"),
        Distro("trusty", "apt", "1.4", "3.2", "3.2"),
        Distro("xenial", "apt", "1.6", "3.4", "3.2"),
        Distro("bionic", "apt", "2.10", "3.8", ""),
        Distro("focal", "apt", "3.5", "3.9", ""),
        Distro("jammy", "apt", "3.9", "", ""),
        Distro("el6", "yum", "1.4", "3.2", "3.2"),
        Distro("el7", "yum", "1.4", "3.8", "3.2"),
        Distro("el8", "yum", "3.2", "3.9", ""),
        Distro("el9", "yum", "3.9", "", ""),
    )
}

_OS_RELEASE = {
    ("debian", "7"): "wheezy",
    ("debian", "8"): "jessie",
    ("ubuntu", "14.04"): "trusty",
    ("ubuntu", "16.04"): "xenial",
    ("ubuntu", "18.04"): "bionic",
    ("ubuntu", "20.04"): "focal",
    ("ubuntu", "22.04"): "jammy",
}
_EL = ("centos", "rhel", "rocky", "almalinux", "ol")


def release(word: str) -> str:
    """WORD as a known release; raises UnknownRelease that names the nearest ones."""
    if word in RELEASES:
        return word
    raise UnknownRelease(f"{word!r} is not an st2 release", f"known ones near it: {', '.join(_near(word))}")


def installed_as(text: str) -> str:
    """The release of what is installed as TEXT: 2.2.1, 1:2.2.1-8.el7, or 2.3dev-44, which comes before 2.3.0.

    Raises UnknownRelease for what is neither a release nor a development build on the way to one.
    """
    found = PackageVersion.parse(text).release
    if found.endswith("dev") and any(minor(each) == minor(found) for each in RELEASES):
        return found
    return release(found)


def _near(word: str) -> tuple[str, ...]:
    try:
        at = order(word)
    except UnknownRelease:
        return RELEASES[-3:]
    before = [each for each in sorted(RELEASES, key=order) if order(each) < at]
    after = [each for each in sorted(RELEASES, key=order) if order(each) >= at]
    return (*before[-2:], *after[:2])


def between(origin: str, target: str) -> tuple[str, ...]:
    """The releases after ORIGIN, up to TARGET included, oldest first."""
    return tuple(r for r in sorted(RELEASES, key=order) if order(origin) < order(r) <= order(target))


def distro(os_id: str, version_id: str) -> Distro | None:
    """The distribution of os-release's ID and VERSION_ID, or None when st2 was never built for it."""
    if os_id in _EL:
        return DISTROS.get(f"el{version_id.split('.', maxsplit=1)[0]}")
    name = _OS_RELEASE.get((os_id, version_id))
    return DISTROS[name] if name else None


def built_for(where: Distro, release_: str) -> bool:
    """True when packages of RELEASE_ were built for the distribution WHERE."""
    at = order(minor(release_))
    return order(where.first) <= at and (not where.last or at <= order(where.last))


def newest_for(where: Distro) -> str:
    """The last release that was built for the distribution WHERE."""
    return max((each for each in RELEASES if built_for(where, each)), key=order)


def packages(release_: str) -> tuple[str, ...]:
    """The packages of the set that were built for RELEASE_; one that has ended stays as it is."""
    at = order(minor(release_))

    def built(name: str) -> bool:
        first, last = _PACKAGE_BANDS.get(name, ("", ""))
        return (not first or order(first) <= at) and (not last or at <= order(last))

    return tuple(name for name in PACKAGES if built(name))


def components(release_: str) -> tuple[str, ...]:
    """The service units of RELEASE_, st2chatops and Mistral's included."""
    at = order(minor(release_))
    names = [*_CORE]
    if at >= order("3.4"):
        names.remove("st2resultstracker")
    for since, added in _NEW_SERVICES.items():
        if at >= order(since):
            names += added
    if mistral_head(release_):
        names += MISTRAL_UNITS
    return tuple(names)


@cache
def all_units() -> tuple[str, ...]:
    """Every unit of any release, so that a hold also covers what a new package brings."""
    names = dict.fromkeys(unit for each in RELEASES for unit in components(each))
    return (*_SOCKETS, *names, "st2actionrunner@", "st2exporter")


def mistral_head(release_: str) -> str:
    """The alembic head that st2mistral of RELEASE_ carries; "" from 3.3 on, where Mistral is gone."""
    head = ""
    for since, revision in _MISTRAL_HEADS.items():
        if order(minor(release_)) >= order(since):
            head = revision
    return head


def mistral_pending(revision: str, head: str) -> dict[str, tuple[str, ...]]:
    """The migrations after REVISION, up to HEAD, in order, each with the tables that it makes; no number is missing."""
    after = range(int(revision or 0) + 1, int(head or 0) + 1)
    return {(name := f"{number:03}"): _MISTRAL_CREATES.get(name, ()) for number in after}


def mistral_tables(revision: str, head: str) -> tuple[str, ...]:
    """The tables that the migrations after REVISION, up to HEAD, make."""
    return tuple(t for made, names in _MISTRAL_CREATES.items() if revision < made <= head for t in names)
