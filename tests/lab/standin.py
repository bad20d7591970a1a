"""What the contract tests of the stand-in st2 ask of a host."""

import json
from typing import Any

from lab.docker import Result
from lab.fleet import Fleet
from lab.packages.builder.releases import RELEASES, Release

BIN = "/opt/stackstorm/st2/bin"
CONFIG = ("--config-file", "/etc/st2/st2.conf")
DB_MANAGE = ("/opt/stackstorm/mistral/bin/mistral-db-manage", "--config-file", "/etc/mistral/mistral.conf")
NEW_TABLES = {
    "event_triggers_v2",
    "workflow_executions_v2",
    "task_executions_v2",
    "action_executions_v2",
    "named_locks",
}


def said(fleet: Fleet, host: str, *argv: str) -> str:
    """What a command that must succeed prints."""
    return fleet.execute(host, *argv).stdout.strip()


def tried(fleet: Fleet, host: str, *argv: str, stdin: str | None = None, timeout: float | None = 120) -> Result:
    """A command that may fail."""
    return fleet.execute(host, *argv, stdin=stdin, check=False, timeout=timeout)


def shell(fleet: Fleet, host: str, command: str) -> str:
    """What a shell line that must succeed prints."""
    return said(fleet, host, "sh", "-c", command)


def parsed(fleet: Fleet, host: str, *argv: str) -> Any:
    """What a command prints as JSON."""
    return json.loads(said(fleet, host, *argv))


def stored(fleet: Fleet, host: str) -> list[dict[str, Any]]:
    """Every key of the host's deployment as it is stored."""
    return [json.loads(line) for line in said(fleet, host, f"{BIN}/lab-store", "dump").splitlines()]


def script_log(fleet: Fleet, host: str) -> list[dict[str, Any]]:
    """Every script that ran against the host's deployment, oldest first."""
    return [json.loads(line) for line in said(fleet, host, f"{BIN}/lab-store", "log").splitlines()]


def property_of(fleet: Fleet, host: str, unit: str, name: str) -> str:
    """One property of a unit."""
    return said(fleet, host, "systemctl", "show", unit, "--property", name, "--value")


def mistral_tables(fleet: Fleet, host: str) -> set[str]:
    """The tables of the Mistral database on this host."""
    query = "select tablename from pg_tables where schemaname = 'public'"
    return set(said(fleet, host, "su", "postgres", "-c", f'psql -XAtqd mistral -c "{query}"').split())


def store_down(fleet: Fleet, host: str, *, down: bool) -> None:
    """Take the datastore away from the programs of this host, or give it back."""
    shell(fleet, host, "mkdir -p /run/lab && echo 0 > /run/lab/store-down" if down else "rm -f /run/lab/store-down")


def release(name: str) -> Release:
    """A release of the lab by its name."""
    [found] = [item for item in RELEASES if item.name == name]
    return found


def apt_upgrade(fleet: Fleet, host: str, name: str, *options: str, only: tuple[str, ...] = ()) -> Result:
    """Upgrade the packages of StackStorm with the real apt-get; the caller says what happens to configuration files."""
    found = release(name)
    all_pins = {
        "st2": found.st2,
        "st2web": found.st2web,
        "st2chatops": found.st2chatops,
        "st2mistral": found.st2mistral,
    }
    pins = [f"{package}={name}-{revision}" for package, revision in all_pins.items() if not only or package in only]
    fleet.execute(host, "apt-get", "update", "-q")
    flags = ("DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-yq", "--only-upgrade", *options)
    return tried(fleet, host, "env", *flags, *pins)


KEEP = ("-o", "Dpkg::Options::=--force-confdef", "-o", "Dpkg::Options::=--force-confold")


def yum_upgrade(fleet: Fleet, host: str, name: str) -> Result:
    """Upgrade the packages of StackStorm with the real yum."""
    packages = ("st2", "st2web", "st2chatops", "st2mistral")
    return tried(fleet, host, "yum", "-y", "update", *(f"{package}-{name}" for package in packages))
