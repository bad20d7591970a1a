"""Backups that lie on the controller: read, proved to their last byte, and given back to a host."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.archive import MANIFEST, Archive
from rollout.codec import Malformed, decode, encode
from rollout.errors import StepFailed, UsageError
from tasks import age
from tasks.edge import VERSION
from tasks.export_files import PART, opened

if TYPE_CHECKING:
    from remote.host import RemoteHost

SCHEMA = "stormlift.fetched/1"
TOLD = "fetched.json"
AGAIN = "the same command again fetches what is missing"
_THERE = "@stormlift-there"
_BLOCK = 1 << 18


@dataclass(frozen=True)
class Kept:
    """One host's archive: its file, size and SHA-256 as it lies there, and the SHA-256 of the manifest in it."""

    file: str
    bytes: int
    sha256: str
    manifest: str


@dataclass
class Fetched:
    """A backup as it was fetched; it is whole when every one of the hosts that are `wanted` is in `hosts`.

    `at` is when the backup was made and `fetched` when it came here, in seconds since 1970.
    """

    name: str
    deployment: str
    wanted: tuple[str, ...]
    encrypted_to: tuple[str, ...] = ()
    release: str = ""
    at: float = 0.0
    fetched: float = 0.0
    tool: str = f"stormlift {VERSION}"
    schema: str = SCHEMA
    hosts: dict[str, Kept] = field(default_factory=dict)

    @property
    def missing(self) -> tuple[str, ...]:
        """The hosts whose archive is not there yet."""
        return tuple(host for host in self.wanted if host not in self.hosts)


def tell(folder: Path, found: Fetched) -> None:
    """Write into FOLDER what lies there; on the disk when this returns. Raises StepFailed."""
    part = folder / f"{TOLD}{PART}"
    try:
        part.unlink(missing_ok=True)
        with opened(folder / TOLD) as file:
            file.write(json.dumps(encode(found), indent=1).encode() + b"\n")
        os.rename(part, folder / TOLD)
        synced(folder)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise StepFailed(f"{folder / TOLD}: cannot be written: {error.strerror or error}", AGAIN) from None


def synced(folder: Path) -> None:
    """Have the names in FOLDER on the disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def found_in(place: str) -> Path:
    """The folder of the one backup that lies in PLACE or below it, as --to has made it. Raises UsageError."""
    top = Path(place)
    found = [top] if (top / TOLD).exists() else sorted(each.parent for each in top.glob(f"**/{TOLD}"))
    if len(found) == 1:
        return found[0]
    if found:
        raise UsageError(f"{place}: holds {len(found)} backups", "name one: " + ", ".join(map(str, found)))
    raise UsageError(
        f"{place}: no backup that was fetched lies there", "invoke backup.fetch --hosts NAME --to DIR fetches one"
    )


def read(folder: Path) -> Fetched:
    """What lies in FOLDER. Raises UsageError: it is no fetched backup."""
    try:
        found = decode(Fetched, json.loads((folder / TOLD).read_text()))
        if found.schema != SCHEMA or any(Path(each.file).name != each.file for each in found.hosts.values()):
            raise Malformed(f"it is none of {SCHEMA}")
    except OSError as error:
        raise UsageError(
            f"{folder}: is no backup that was fetched: {TOLD}: {error.strerror}",
            "name the folder of one, with its fetched.json",
        ) from None
    except (ValueError, RecursionError) as error:
        raise UsageError(
            f"{folder / TOLD}: cannot be read: {error}", "fetch the backup again into another folder"
        ) from None
    return found


def prove(folder: Path, having: tuple[Any, ...] = ()) -> Fetched:
    """Read all of FOLDER's archives: each is what was written, and every file in it what its manifest says.

    Those in an encrypted one are read only when HAVING holds an identity for it. Raises UsageError, StepFailed.
    """
    found = read(folder)
    if found.missing:
        raise StepFailed(f"{folder}: the archives of {', '.join(found.missing)} are missing", AGAIN)
    for host, kept in found.hosts.items():
        digest_there(folder, host, kept)
        if not found.encrypted_to or having:
            archive = Archive()
            try:
                plain(folder / kept.file, archive.feed, having)
                archive.end()
                if sha256(archive.text).hexdigest() != kept.manifest:
                    raise Malformed(f"{MANIFEST} is not the one that was fetched")
            except (Malformed, OSError) as error:
                raise _damaged(folder, host, kept, str(error)) from None
    return found


def digest_there(folder: Path, host: str, kept: Kept) -> None:
    """Read the archive of HOST to its end. Raises StepFailed: it is not what was written."""
    try:
        odd = "" if digest_of(folder / kept.file) == kept.sha256 else f"its SHA-256 is not the one in {TOLD}"
    except OSError as error:
        odd = f"cannot be read: {error.strerror}"
    if odd:
        raise _damaged(folder, host, kept, odd)


def _damaged(folder: Path, host: str, kept: Kept, odd: str) -> StepFailed:
    return StepFailed(
        f"{folder / kept.file}: {odd}",
        f"move it away, fetch the backup of {host} again, and check this disk",
        host=host,
    )


def plain(place: Path, write: age.Write, having: tuple[Any, ...]) -> None:
    """Give WRITE the tar in PLACE in pieces, decrypted where it is not in clear. Raises OSError, Malformed, UsageError."""
    with open(place, "rb") as file:
        if place.suffix == age.SUFFIX:
            if not having:
                raise UsageError(f"{place}: is encrypted", "name the private key's file: --identity FILE")
            age.unseal(_blocks(file), write, having)
            return
        for block in _blocks(file):
            write(block)


def _blocks(file: Any) -> Iterator[bytes]:
    return iter(lambda: file.read(_BLOCK), b"")


def digest_of(place: Path) -> str:
    """SHA-256 of the file PLACE, in hex."""
    found = sha256()
    with open(place, "rb") as file:
        for block in _blocks(file):
            found.update(block)
    return found.hexdigest()


# --- back to a host ------------------------------------------------------------------------------------------


def put(link: "RemoteHost", folder: Path, found: Fetched, host: str, having: tuple[Any, ...] = ()) -> None:
    """Give the archive of HOST to the host of LINK, which holds our lock; it may be a new one in its place.

    The host proves all of it before the backup has its name there; one that is there already and the same is left.
    Raises StepFailed, Unreachable, UsageError; nothing named is left on the host then.
    """
    kept = found.hosts[host]
    try:
        said = link.deliver(
            lambda write: plain(folder / kept.file, write, having), "backup", "receive", link.token, found.name
        )
    except (OSError, Malformed) as error:
        raise _damaged(folder, host, kept, str(error)) from None
    there = next((line.split()[1] for line in said if line.startswith(_THERE)), kept.manifest)
    if there != kept.manifest:
        raise StepFailed(
            f"{link.name}: has another backup of the name {found.name}",
            f"look at it: invoke backup.list --hosts {link.name}",
            host=link.name,
        )
