"""invoke backup.fetch, and what other commands do with a fetched backup: prove it here, give it back to its hosts."""

import json as json_
import sys
from pathlib import Path

from invoke.context import Context

from rollout import codec
from rollout.backup import size
from rollout.errors import PlanRefused, UsageError
from rollout.facts import Facts
from rollout.model import Deployment
from rollout.restore import parts_of
from tasks import age
from tasks.edge import HOSTS_HELP, Desk, command, desk
from tasks.export_files import Say
from tasks.fetched import Fetched, found_in, prove, put, read
from tasks.fetching import Order
from tasks.fetching import fetch as fetch_
from tasks.work import fresh_run

SCHEMA = "stormlift.backup.fetch/1"
FROM_HELP = {
    "from_": "a backup that backup.fetch has brought to this machine: its folder, or one above it",
    "identity": "the file of the private key, where the fetched backup is encrypted",
}
_PRIVATE = "passwords and keys of st2 lie in it in clear: --encrypt-to encrypts it while it comes"


@command(
    iterable=["encrypt_to"],
    help={
        "hosts": HOSTS_HELP,
        "to": "the folder for it; the backup comes to DIR/DEPLOYMENT/RUN/HOP, an archive for each host",
        "backup": "RUN or RUN/HOP as backup.list says it; default: the newest",
        "encrypt_to": "a public key of age (age1..., ssh-ed25519 ..., ssh-rsa ...), several times for several",
        "json": "one JSON object on stdout",
    },
)
def fetch(
    c: Context,
    hosts: str = "",
    to: str = "",
    backup: str = "",
    encrypt_to: list[str] | None = None,
    json: bool = False,
) -> None:
    """Bring a backup to this machine, every file held against its manifest; nothing of it stays behind when it breaks off."""
    if not to:
        raise UsageError("where to? --to is missing", "invoke backup.fetch --hosts NAME --to DIR")
    age.recipients(encrypt_to or ())
    with desk(c) as sitting:
        deployments = sitting.select(hosts, whole=True).deployments
        facts = sitting.fleet.facts((host for each in deployments for host in each.hosts), evidence=False)
        orders = [
            _order(
                each, {host.name: facts[host.name] for host in each.hosts}, backup, Path(to), tuple(encrypt_to or ())
            )
            for each in deployments
        ]
        if sitting.dry:
            for each in orders:
                sitting.out(f"{each.deployment}: would fetch {each.name} of {', '.join(each.hosts)} into {each.folder}")
            return
        made = []
        say: Say = sitting.say if sys.stderr.isatty() else lambda text: None
        try:
            for order in orders:
                found = fetch_({host: sitting.fleet[host] for host in order.hosts}, order, say)
                made.append({"folder": str(order.folder), **codec.encode(found)})
                if not json:
                    sitting.out(told(order.folder, found))
        finally:
            # Of several deployments a later one may fail: what has come stands on the disk and is told.
            if made and not encrypt_to:
                sitting.say(_PRIVATE)
            if json and made:
                sitting.out(json_.dumps({"schema": SCHEMA, "backups": made}, indent=1))


def _order(deployment: Deployment, facts: dict[str, Facts], name: str, to: Path, encrypt_to: tuple[str, ...]) -> Order:
    parts = parts_of(deployment, facts, name)
    return Order(deployment.name, next(iter(parts.values())).name, tuple(parts), to, encrypt_to)


def told(folder: Path, found: Fetched) -> str:
    """A fetched backup in lines for a person."""
    lines = [f"{found.deployment}: backup {found.name} of st2 {found.release or 'no release'} in {folder}"]
    lines += [f"  {each.file:24} {size(each.bytes):>10}  sha256 {each.sha256}" for each in found.hosts.values()]
    if found.encrypted_to:
        return "\n".join([*lines, f"  encrypted to {', '.join(found.encrypted_to)}"])
    return "\n".join(lines)


def verified(c: Context, place: str, identity: str, json: bool) -> None:
    """`backup.verify --from`: hold what lies here against its digests and, where it can be read, every file to its manifest."""
    having = age.identities(identity) if identity else ()
    folder = found_in(place)
    found = prove(folder, having)
    inside = not found.encrypted_to or bool(having)
    with desk(c) as sitting:
        if json:
            data = {"folder": str(folder), "files_proved": inside, **codec.encode(found)}
            sitting.out(json_.dumps({"schema": "stormlift.backup.verify-fetched/1", **data}, indent=1))
            return
        sitting.out(told(folder, found))
        sitting.out(
            "every file is what its manifest says"
            if inside
            else "the archives are what was written; --identity FILE also proves the files in them"
        )


def given_back(
    sitting: Desk, deployment: Deployment, facts: dict[str, Facts], folder: Path, having: tuple[object, ...], yes: bool
) -> str:
    """Give the fetched backup in FOLDER to the hosts of DEPLOYMENT, under its lock; gives the backup's name.

    Nothing else of the hosts changes, and nothing at all where they have it. Raises PlanRefused and UsageError before
    anything, Locked, StepFailed, Unreachable.
    """
    from remote.fleet import reached
    from remote.lock import DeploymentLock

    found = read(folder)
    _refuse_others(deployment, facts, found)
    there = {
        name for name, each in facts.items() for part in each.backups if part.name == found.name and not part.wrong
    }
    if there >= set(found.wanted):
        return found.name
    if found.encrypted_to and not having:
        raise UsageError(f"{folder}: is encrypted", "name the private key's file: --identity FILE")
    if sitting.dry:
        raise UsageError(
            f"{deployment.name}: a plan is made from what lies on its hosts, and {found.name} does not yet",
            "without --dry it is asked for before anything is put there, and again when the plan is shown",
        )
    prove(folder, having)
    total = sum(each.bytes for each in found.hosts.values())
    question = f"{deployment.name}: put the backup {found.name} ({size(total)}) onto {', '.join(found.hosts)}?"
    sitting.confirm(f"{question} Nothing else changes there.", yes)
    lock = DeploymentLock(
        deployment.name,
        links := reached(sitting.fleet, [host.name for host in deployment.hosts]),
        sitting.me(fresh_run(), ""),
        "backup.restore",
        "",
        1 + max(each.fence for each in facts.values()),
        sitting.say,
    )
    with lock:
        for host in found.hosts:
            put(links[host], folder, found, host, having)
            sitting.say(f"{host}: has {found.name}")
    return found.name


def _refuse_others(deployment: Deployment, facts: dict[str, Facts], found: Fetched) -> None:
    """Raise PlanRefused where the backup FOUND is not of DEPLOYMENT, of hosts that it has no more, or of another release."""
    if found.deployment != deployment.name:
        raise PlanRefused(
            f"{deployment.name}: the backup {found.name} is of {found.deployment}", f"--hosts {found.deployment}"
        )
    if others := sorted(set(found.wanted) - {host.name for host in deployment.hosts}):
        raise PlanRefused(
            f"{deployment.name}: the backup {found.name} is of hosts that it does not have: {', '.join(others)}",
            "give the new hosts the old names in the inventory",
        )
    if odd := [
        f"{name} has {facts[name].release or 'none'}" for name in found.wanted if facts[name].release != found.release
    ]:
        raise PlanRefused(
            f"{deployment.name}: the backup {found.name} is of st2 {found.release}, but {', '.join(odd)}",
            f"install the packages of {found.release} there, then the same command again",
        )
