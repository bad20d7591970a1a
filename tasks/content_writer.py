"""The archive of exported content while it is written: a part is there as a whole or not at all, whenever we are killed."""

import errno
import fcntl
import os
import secrets
import stat
import sys
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from rollout.codec import Malformed
from rollout.errors import StepFailed, UsageError
from tasks import age, content_form
from tasks.content_form import ABOUT, END, MANIFEST, RECORD, About, Manifest, Part, blocks, digest, header, small, text
from tasks.export_files import PART
from tasks.fetched import synced

AGAIN = "the same command again goes on after the last whole part"
ELSEWHERE = "name another folder: --to DIR"
_UNFINISHED = "unfinished"  # the name in the header of a part that is being written


class Writer:
    """An archive that is written into the open FILE; `about` and `parts` say what is there, of an interrupted one as well.

    Raises UsageError: PATH or FILE is somebody else's; StepFailed: it cannot be written.
    """

    def __init__(self, path: Path, about: About, to: tuple[Any, ...], file: int) -> None:
        self.path, self.about = path, about
        self.parts: dict[str, Part] = {}
        self._to, self._file, self._end = to, file, 0
        with disk(path):
            self._own()
            self._take_up()
            os.ftruncate(file, self._end)
            if not self._end:
                self._put(small(ABOUT, text(about)))
            self._sync()
            synced(path.parent)

    def close(self) -> None:
        """Let go of the file; what is whole of it stays."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)

    def has(self, name: str) -> bool:
        """Whether the part NAME is there already."""
        return name in self.parts

    def add(self, name: str, plain: Iterator[bytes], about: Callable[[], dict[str, Any]] = dict) -> Part:
        """Encrypt PLAIN into the part NAME as it comes; ABOUT is asked when it is through, and stands there in clear.

        Raises what PLAIN and ABOUT raise, Malformed: ABOUT is too long, and StepFailed: it cannot be written.
        Nothing of the part is left then, and it may be added again.
        """
        if not content_form.NAME.match(name) or name in self.parts or len(self.parts) >= content_form.MOST_PARTS:
            raise ValueError(f"{name!r} cannot be added")
        start, stored, came, size = self._end, sha256(), sha256(), 0

        def counted() -> Iterator[bytes]:
            nonlocal size
            for block in plain:
                came.update(block)
                size += len(block)
                yield block

        def write(data: bytes) -> None:
            stored.update(data)
            self._put(data)

        with self._all_or_nothing():
            self._put(header(_UNFINISHED, 0))
            age.seal(counted(), write, self._to)
            length = self._end - start - RECORD
            self._put(bytes(-length % RECORD))
            proof = b64encode(self._sealed(came.digest())).decode()
            part = Part(length, stored.hexdigest(), size, proof, about())
            self._put(small(content_form.note_of(name), text(part)))
            self._sync()  # all that the name stands for, before the name
            with disk(self.path):
                os.pwrite(self._file, header(f"{name}{age.SUFFIX}", length), start)
            self._sync()
            self.parts[name] = part
        return part

    def seal(self) -> Manifest:
        """End the archive, read it back from the disk, and name it. Raises StepFailed, UsageError: its name is taken."""
        manifest = Manifest(sha256(text(self.about)).hexdigest(), secrets.token_hex(32), dict(self.parts))
        with self._all_or_nothing():
            self._whole(manifest)
        free(self.path, ELSEWHERE)
        with disk(self.path):
            os.rename(f"{self.path}{PART}", self.path)
            self.close()
            synced(self.path.parent)
        return manifest

    def _whole(self, manifest: Manifest) -> None:
        try:
            sealed = self._sealed(text(manifest))
            self._put(small(MANIFEST, sealed) + END)
            self._sync()
            with disk(self.path):
                if (
                    sys.platform == "linux"
                ):  # what is read back shall come from the disk, not out of this machine's memory
                    os.posix_fadvise(self._file, 0, 0, os.POSIX_FADV_DONTNEED)
                members, wrong = content_form.layout(self._file)
                wrong = wrong or content_form.odd(self._file, members, manifest)
                if wrong or digest(self._file, members[-1]) != sha256(sealed).hexdigest():
                    raise Malformed(f"read back from this machine's disk: {wrong or members[-1].odd}")
        except Malformed as error:
            raise StepFailed(f"{self.path}{PART}: {error}", f"check the disk that it lies on; {AGAIN}") from None

    def _own(self) -> None:
        """Make sure that the file is ours alone, and not named meanwhile by whoever had it before."""
        info = os.fstat(self._file)
        if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
            raise UsageError(f"{self.path}{PART}: is no plain file with one name", "move it away")
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(f"{self.path}: another export is writing it", ELSEWHERE) from None
        free(self.path, ELSEWHERE)
        os.fchmod(self._file, 0o600)

    def _take_up(self) -> None:
        """Find the whole parts of an interrupted archive that says the same of itself, up to the first damaged one."""
        members, _ = content_form.layout(self._file)
        with suppress(Malformed):
            for first in members[:1]:
                found = content_form.parsed(About, b"".join(blocks(self._file, first)))
                same = replace(self.about, at=found.at, id=found.id, recipients=found.recipients)
                if same != found or set(found.recipients) != set(self.about.recipients):
                    return
                self.about, self._end = found, first.end
            for member, note in zip(members[1::2], members[2::2], strict=False):  # behind the last pair: the manifest
                part = content_form.parsed(Part, b"".join(blocks(self._file, note)))
                if part.bytes != member.size or part.sha256 != digest(self._file, member):
                    return
                self.parts[member.name.removesuffix(age.SUFFIX)], self._end = part, note.end

    def _sealed(self, plain: bytes) -> bytes:
        sealed = list[bytes]()
        age.seal(iter([plain]), sealed.append, self._to)
        return b"".join(sealed)

    def _put(self, data: bytes) -> None:
        view = memoryview(data)
        with disk(self.path):
            while view:
                written = os.pwrite(self._file, view, self._end)
                self._end, view = self._end + written, view[written:]

    def _sync(self) -> None:
        with disk(self.path):
            os.fsync(self._file)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        start, parts = self._end, dict(self.parts)
        try:
            yield
        except BaseException:
            self._end, self.parts = start, parts
            with suppress(OSError):  # else whoever takes it up does that
                os.ftruncate(self._file, start)
            raise


def free(path: Path, hint: str) -> None:
    """Raise UsageError when PATH is there."""
    if os.path.lexists(path):
        raise UsageError(f"{path}: is there already", hint)


@contextmanager
def disk(path: Path, again: str = AGAIN) -> Iterator[None]:
    """Errors of the disk as StepFailed, naming the folder of PATH; AGAIN says what comes of the same command then."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        why = "the disk is full" if full else f"{path.name} cannot be written: {error.strerror or error}"
        hint = f"{'make room' if full else 'see to that'}, or {ELSEWHERE}; {again}"
        raise StepFailed(f"{path.parent}: {why}", hint) from None
