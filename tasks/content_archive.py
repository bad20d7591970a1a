"""Exported content of a deployment in one file: begun or taken up, and read, which proves all of it first."""

import os
import secrets
import stat
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

from rollout.codec import Malformed
from rollout.errors import StepFailed, UsageError
from tasks import age, content_form
from tasks.content_form import MANIFEST, About, Manifest, Member, Part, blocks, layout, odd, parsed, small, text
from tasks.content_writer import ELSEWHERE, Writer, disk, free
from tasks.export_files import PART, opened
from tasks.fetched import synced

__all__ = ["About", "Archive", "Manifest", "Part", "Writer", "begin", "put", "read"]

_COPY = "take another copy of it, or export again; and check the disk that it lies on"
_MOST_SHOWN = 3  # recipients in a hint


def begin(path: Path, about: About, encrypt_to: tuple[str, ...]) -> Writer:
    """Begin the archive PATH, or take up the rest of an interrupted one that says the same of itself; to be closed.

    Its `id` and `at` are then those of the first time. Raises UsageError: PATH is there, nobody is named to encrypt to,
    or another export is writing it; StepFailed: it cannot be written.
    """
    age.recipients(encrypt_to)
    words = tuple(dict.fromkeys(" ".join(word.split()[:2]) for word in encrypt_to))  # whose key it is, nobody need know
    to = age.recipients(words)
    if not to:
        raise UsageError("what is exported holds secrets, and nobody is named to encrypt it to", "--encrypt-to age1...")
    about = replace(about, at=float(about.at), recipients=words, id=secrets.token_hex(16))
    proof = list[bytes]()
    age.seal(iter([bytes(32)]), proof.append, to)
    try:
        small(content_form.ABOUT, text(about))
        small("a part's note", bytes(2 * sum(map(len, proof))))  # in base64, and room for what is told of the part
    except Malformed as error:
        raise UsageError(f"{path}: {error}", "encrypt it to fewer recipients") from None
    free(path, ELSEWHERE)
    with disk(path):
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        file = os.open(f"{path}{PART}", flags, 0o600)
    try:
        return Writer(path, about, to, file)
    except BaseException:
        os.close(file)
        raise


def put(path: Path, data: bytes) -> None:
    """Write DATA, no secret, into the new file PATH; it is on the disk when this returns. Raises UsageError, StepFailed."""
    aside = path.with_name(f"{path.name}.{secrets.token_hex(4)}")  # PATH.part may be somebody's that broke off
    part = Path(f"{aside}{PART}")
    free(path, "name a new file")
    with disk(path, "the same command again writes it"):
        try:
            with opened(aside) as file:
                file.write(data)
            os.rename(part, path)
            synced(path.parent)
        except BaseException:
            part.unlink(missing_ok=True)
            raise


@dataclass(frozen=True)
class Archive:
    """An archive that was proved when it was read; a part is decrypted when it is poured."""

    path: Path
    about: About
    manifest: Manifest
    _members: dict[str, Member] = field(repr=False)
    _having: tuple[Any, ...] = field(repr=False)

    def pour(self, name: str, write: age.Write) -> str:
        """Give WRITE the plain bytes of the part NAME in pieces, and the caller their SHA-256; what came is proved then.

        Raises what WRITE raises, and StepFailed: the file has changed since it was read, or the part never was whole.
        """
        part, member = self.manifest.parts[name], self._members[f"{name}{age.SUFFIX}"]
        stored, plain, size, away = sha256(), sha256(), 0, False

        def read(file: int) -> Iterator[bytes]:
            for block in blocks(file, member):
                stored.update(block)
                yield block

        def take(data: bytes) -> None:
            nonlocal size, away
            plain.update(data)
            size += len(data)
            away = True
            write(data)
            away = False

        try:
            proof = _opened(b64decode(part.proof), self._having)
            with _reading(self.path) as file:
                age.unseal(read(file), take, self._having)
            if (stored.hexdigest(), size, plain.digest()) != (part.sha256, part.plain_bytes, proof):
                raise Malformed("it is another one")
        except (Malformed, ValueError, OSError) as error:
            if away:  # what was met by whoever takes it
                raise
            why = error.strerror if isinstance(error, OSError) else error
            raise StepFailed(f"{self.path}: {member.odd}: {why}", _COPY) from None
        return plain.hexdigest()


def read(path: Path, having: tuple[Any, ...]) -> Archive:
    """The archive in PATH, when every byte of it is what was written, and one of the identities HAVING decrypts it.

    Raises UsageError with the member and the place of the first byte that is not.
    """
    if not having:
        raise UsageError(f"{path}: is encrypted", "name the private key's file: --identity FILE")
    try:
        with _reading(path) as file:
            members, wrong = layout(file)
            if wrong:
                raise Malformed(wrong if members else f"is no archive of exported content, or damaged: {wrong}")
            about = _parsed(About, members[0], b"".join(blocks(file, members[0])))
            sealed = b"".join(blocks(file, members[-1]))
            try:
                data = _opened(sealed, having)
            except Malformed as error:
                raise _closed(path, about, members[-1], error) from None
            manifest = _parsed(Manifest, members[-1], data)
            if wrong := odd(file, members, manifest):
                raise Malformed(wrong)
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read: {error.strerror}", "name the file that an export has written"
        ) from None
    except Malformed as error:
        unfinished = path.name.endswith(PART)
        raise UsageError(f"{path}: {error}", "the same export again finishes it" if unfinished else _COPY) from None
    return Archive(path, about, manifest, {each.name: each for each in members}, having)


def _parsed(kind: type[content_form.T], member: Member, data: bytes) -> content_form.T:
    try:
        return parsed(kind, data)
    except Malformed as error:
        raise Malformed(f"{member.odd}: {error}") from None


def _opened(sealed: bytes, having: tuple[Any, ...]) -> bytes:
    plain = list[bytes]()
    age.unseal(iter([sealed]), plain.append, having)
    return b"".join(plain)


def _closed(path: Path, about: About, member: Member, error: Malformed) -> UsageError:
    """That the manifest cannot be decrypted: which of the two reasons it is, age cannot always tell."""
    more = len(about.recipients) - _MOST_SHOWN
    to = ", ".join(about.recipients[:_MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")
    return UsageError(
        f"{path}: {MANIFEST} (its bytes {member.at} to {member.past}) is encrypted to others, or is damaged: {error}",
        f"--identity FILE with the private key of {to}; if that was given, {_COPY}",
    )


@contextmanager
def _reading(path: Path) -> Iterator[int]:
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # of a pipe, nobody waits for its other end
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise OSError(0, "it is no plain file")
        yield file
    finally:
        os.close(file)
