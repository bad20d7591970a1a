"""Fetch a backup from its hosts: each archive is written as it comes, encrypted if asked, proved, and then named."""

import errno
import os
import shutil
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.archive import MANIFEST, Archive, Head, begun, checked
from rollout.codec import Malformed
from rollout.errors import StepFailed, StormliftError, Unreachable, UsageError
from tasks import age
from tasks.export_files import PART, Say, opened
from tasks.fetched import AGAIN, TOLD, Fetched, Kept, digest_of, digest_there, read, synced, tell

if TYPE_CHECKING:
    from remote.host import RemoteHost

_EVERY = 256 << 20  # bytes between two lines of progress


@dataclass(frozen=True)
class Order:
    """What is fetched: the backup `name` (RUN/HOP) of a deployment, from which hosts, where to, encrypted to whom."""

    deployment: str
    name: str
    hosts: tuple[str, ...]
    to: Path
    encrypt_to: tuple[str, ...] = ()

    @property
    def folder(self) -> Path:
        """The backup's own folder: deployments that are upgraded together share a run."""
        return self.to / self.deployment / self.name


def fetch(links: Mapping[str, "RemoteHost"], order: Order, say: Say = lambda text: None) -> Fetched:
    """Carry ORDER out, from all hosts at the same time; what an earlier call has fetched is read back and left.

    SAY is told how far a host has come, every so often.
    An archive has its name when it is whole, proved and on the disk. What fails leaves the others, and none of its own.
    Raises UsageError before anything is asked of a host, Unreachable, StepFailed.
    """
    to = age.recipients(order.encrypt_to)
    found = _begin(order)
    guard = threading.Lock()

    def one(host: str) -> StormliftError | None:
        try:
            kept, archive = _archive(links[host], order, to, say)
            with guard:
                assert archive.manifest is not None
                found.hosts[host] = kept
                found.release, found.at, found.fetched = archive.manifest.release, archive.manifest.at, time.time()
                tell(order.folder, found)
        except StormliftError as error:
            return error
        return None

    with ThreadPoolExecutor(max(1, len(found.missing))) as pool:
        try:
            errors = [each for each in pool.map(one, found.missing) if each]
        except KeyboardInterrupt:
            for link in links.values():  # else their streams would be waited for
                link.close()
            raise
    if errors:
        _leave_nothing(order, found)
        raise errors[0]
    return found


def _leave_nothing(order: Order, found: Fetched) -> None:
    """Where no archive came, nothing tells of one."""
    if not found.hosts:
        (order.folder / TOLD).unlink(missing_ok=True)
        with suppress(OSError):  # somebody else's file is in it
            for each in (order.folder, *order.folder.parents[:2]):
                each.rmdir()


def _begin(order: Order) -> Fetched:
    """What is there of ORDER already, read back, in a folder for its owner alone. Raises UsageError, StepFailed."""
    elsewhere = "name another folder: --to DIR"
    try:
        order.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for each in (order.folder, *order.folder.parents[:2]):  # it is for the last one alone that mkdir knows a mode
            each.chmod(0o700)
        there = sorted(each.name for each in order.folder.iterdir() if not each.name.endswith(PART))
    except OSError as error:
        raise UsageError(f"{order.folder}: cannot be made: {error.strerror}", elsewhere) from None
    if not there:
        found = Fetched(order.name, order.deployment, order.hosts, order.encrypt_to)
        try:
            tell(order.folder, found)  # first: whoever is killed leaves a folder that says whose it is
        except StepFailed:
            _leave_nothing(order, found)
            raise
        return found
    found = read(order.folder)
    if (found.name, found.deployment) != (order.name, order.deployment) or set(found.encrypted_to) != set(
        order.encrypt_to
    ):
        raise UsageError(
            f"{order.folder}: holds {found.name} of {found.deployment}"
            + (f", encrypted to {', '.join(found.encrypted_to)}" if found.encrypted_to else ", in clear"),
            elsewhere,
        )
    found.wanted = tuple(dict.fromkeys((*found.wanted, *order.hosts)))
    for host in found.hosts:
        digest_there(order.folder, host, found.hosts[host])
    return found


def _archive(link: "RemoteHost", order: Order, to: tuple[Any, ...], say: Say) -> tuple[Kept, Archive]:
    """The archive of one host, named when it is whole. Raises Unreachable, StepFailed; no file of it is left then."""
    place = order.folder / f"{link.name}.tar{age.SUFFIX if to else ''}"
    part, archive = Path(f"{place}{PART}"), Archive()
    try:
        part.unlink(missing_ok=True)  # of somebody who was killed
        return _written(link, order, to, place, archive, say), archive
    except BaseException as error:
        with suppress(OSError):
            part.unlink()
        if isinstance(error, (OSError, Malformed, StepFailed, Unreachable)):
            raise _failure(link.name, order, archive, error) from None
        raise


def _written(link: "RemoteHost", order: Order, to: tuple[Any, ...], place: Path, archive: Archive, say: Say) -> Kept:
    digest, size = sha256(), 0
    with closing(link.stream("backup", "send", order.name)) as blocks:
        head, tar = begun(blocks)
        _refuse(head, order)
        tar = _told(tar, link.name, head.bytes, say)
        with opened(place) as file:

            def write(data: bytes) -> None:
                nonlocal size
                file.write(data)
                digest.update(data)
                size += len(data)

            if to:
                age.seal(checked(tar, archive), write, to)
            else:
                for block in checked(tar, archive):
                    write(block)
    if (
        sha256(archive.text).hexdigest() != head.manifest
        or archive.manifest is None
        or archive.manifest.name != order.name
    ):
        raise Malformed(f"{MANIFEST} is not the one that was announced")
    kept = Kept(place.name, size, digest.hexdigest(), head.manifest)
    if digest_of(Path(f"{place}{PART}")) != kept.sha256:
        raise Malformed(f"{place.name} read back from this machine's disk is not what was written")
    os.rename(f"{place}{PART}", place)
    synced(order.folder)
    return kept


def _told(blocks: Iterator[bytes], host: str, total: int, say: Say) -> Iterator[bytes]:
    """BLOCKS as they are, and a word every so often."""
    came, next_ = 0, _EVERY
    for block in blocks:
        came += len(block)
        if came >= next_:
            next_ += _EVERY
            say(f"{host}: {came >> 20} of {total >> 20} MiB")
        yield block


def _refuse(head: Head, order: Order) -> None:
    if head.name != order.name:
        raise Malformed(f"{head.name} is sent, {order.name} was asked for")
    free = shutil.disk_usage(order.folder).free
    if free < head.bytes:
        raise OSError(errno.ENOSPC, f"{free >> 20} MiB are free, {head.bytes >> 20} MiB come")


def _failure(
    host: str, order: Order, archive: Archive, error: OSError | Malformed | StepFailed | Unreachable
) -> StormliftError:
    left = f"no file of {host} is left"
    at = f" in {archive.at}" if archive.text and archive.at else ""
    if isinstance(error, Unreachable):
        return Unreachable(f"{error.message}{at}; {left}", AGAIN)
    if isinstance(error, StepFailed):
        look = f"invoke backup.verify --hosts {host} says more of it"
        return StepFailed(f"{error.message}; {left}", look, host=host, log=error.log)
    if isinstance(error, Malformed):
        return StepFailed(f"{host}: {order.name}: {error}; {left}", AGAIN, host=host)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        more = f" ({error.strerror})" if "MiB" in str(error.strerror) else ""
        return StepFailed(
            f"{order.folder}: the disk is full{more}{at}; {left}",
            f"make room, or name another disk (--to DIR); {AGAIN}",
        )
    return StepFailed(f"{order.folder}: cannot be written: {error.strerror or error}{at}; {left}", AGAIN)
