"""The commands of the two package managers, as data. The planner picks by what the host has.

apt: a pinned set with the old configuration files kept (StackStorm/st2-packages issue 412: a replaced st2.conf
loses the database password). yum: exact versions by `install`, which fails on a version that is not there, where
`update` says "nothing to do".
"""

from collections.abc import Mapping
from dataclasses import dataclass

_APT = (
    "env",
    "DEBIAN_FRONTEND=noninteractive",
    "NEEDRESTART_MODE=a",
    "apt-get",
    "-y",
    "-q",
    "-o",
    "DPkg::Lock::Timeout=300",
)
_KEEP_CONF = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")
_YUM = ("yum", "-y", "-q")
# What was fetched while st2 served is not asked for anew in the stop: st2's own repository expires within five minutes
# (packagecloud's .repo files). A yum that knows no patterns here (3, and dnf before 4.2.18) ignores it and asks.
_FRESH_ENOUGH = "--setopt=*.metadata_expire=86400"


@dataclass(frozen=True)
class Commands:
    """What refreshes, fetches, installs and repairs a set of exact versions."""

    refresh: tuple[str, ...]
    fetch: tuple[str, ...]
    install: tuple[str, ...]
    repair: tuple[str, ...]


def commands(manager: str, versions: Mapping[str, str]) -> Commands:
    """The commands of MANAGER ("apt" or "yum") for a set of package versions."""
    if manager == "apt":
        names = tuple(f"{name}={version}" for name, version in sorted(versions.items()))
        install = (*_APT, *_KEEP_CONF, "install", "--only-upgrade", "--no-remove", *names)
        return Commands(
            # Without Error-Mode an unreachable repository is a warning and exit 0.
            refresh=(*_APT, "-o", "APT::Update::Error-Mode=any", "update"),
            fetch=(*_APT, "--download-only", "install", "--only-upgrade", *names),
            install=install,
            repair=(
                "env",
                "DEBIAN_FRONTEND=noninteractive",
                "dpkg",
                "--force-confdef",
                "--force-confold",
                "--configure",
                "-a",
            ),
        )
    names = tuple(f"{name}-{_rpm(version)}" for name, version in sorted(versions.items()))
    return Commands(
        refresh=(*_YUM, "makecache"),
        fetch=(*_YUM, "--downloadonly", "install", *names),
        install=(*_YUM, _FRESH_ENOUGH, "install", *names),
        # A killed transaction leaves two versions of a package behind.
        repair=("stormlift-host", "rpm-duplicates"),
    )


def _rpm(version: str) -> str:
    """yum wants name-version-release; an epoch of 0 is not written."""
    return version.removeprefix("0:")
