"""A backup as one tar: every file is compared with the manifest while it passes (remote/onhost/carry.py, both ways)."""

import json
import re
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256

from rollout.codec import Malformed, decode

MARK = b"@stormlift-backup "
SCHEMA = "stormlift.backup/1"
MANIFEST = "manifest.json"
# A file's name in a backup; it is joined to a folder's.
PLAIN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}\Z")
_SHA256 = re.compile(r"[0-9a-f]{64}\Z")
_MOST_NOISE = 1 << 20
_MOST_MANIFEST = 4 << 20
_RECORD = 512


@dataclass(frozen=True)
class File:
    """A file of a backup: its size, and its SHA-256 in hex."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Manifest:
    """What a backup says of itself; `at` is seconds since 1970 by the host's clock, `external` why there are no dumps."""

    name: str
    files: dict[str, File]
    deployment: str = ""
    release: str = ""
    at: float = 0.0
    external: str = ""


@dataclass(frozen=True)
class Head:
    """What a host is about to send: which backup, the SHA-256 of its manifest, how many bytes its files have."""

    name: str
    manifest: str
    bytes: int


def manifest(text: bytes) -> Manifest:
    """The manifest in TEXT; keys that a later release adds are left alone. Raises Malformed with the place."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise Malformed(f"{MANIFEST} is no JSON") from None
    if not isinstance(data, dict) or data.get("schema") != SCHEMA:
        raise Malformed(f"{MANIFEST} is none of {SCHEMA}")
    found = decode(Manifest, {key: data[key] for key in Manifest.__dataclass_fields__ if key in data}, MANIFEST)
    for name, each in found.files.items():
        if not PLAIN.match(name) or name == MANIFEST or each.bytes < 0 or not _SHA256.match(each.sha256):
            raise Malformed(f"{MANIFEST} names {name!r}, which is no file of a backup")
    return found


def begun(blocks: Iterator[bytes]) -> tuple[Head, Iterator[bytes]]:
    """What is announced, and the tar's blocks; a login shell may have said something before. Raises Malformed."""
    rest = b""
    while (at := rest.find(MARK)) < 0 or b"\n" not in rest[at:]:
        if len(rest) > _MOST_NOISE or (block := next(blocks, None)) is None:
            raise Malformed("what the host says is no backup")
        rest += block
    line, _, rest = rest[at + len(MARK) :].partition(b"\n")
    try:
        head = decode(Head, json.loads(line))
    except ValueError:
        raise Malformed("what the host says of its backup cannot be read") from None
    return head, _after(rest, blocks)


def _after(first: bytes, blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from blocks


class Archive:
    """Reads a tar in pieces of any size, and holds none of it but the manifest. `feed` and `end` raise Malformed at the first
    thing that is not as the manifest says; `manifest` and its `text` are there as soon as it has passed."""

    def __init__(self) -> None:
        self.manifest: Manifest | None = None
        self.text = b""
        self._seen: set[str] = set()
        self._header = bytearray()
        self._name = ""
        self._size = self._left = self._padding = 0
        self._hash = sha256()
        self._over = False
        self._behind = 0

    @property
    def at(self) -> str:
        """The file that is passing, or the one that comes next, or "" at the end."""
        return "" if self._over else self._name or next(iter(sorted(self._expected())), "")

    def feed(self, block: bytes) -> None:
        """Take the next piece."""
        view = memoryview(block)
        while view:
            if self._over:
                if any(view):
                    raise Malformed("there is something behind the end of the archive")
                self._behind += len(view)
                return
            if self._name:
                part = view[: self._left]
                self._body(part)
            elif self._padding:
                part = view[: self._padding]
                self._padding -= len(part)
            else:
                part = view[: _RECORD - len(self._header)]
                self._header += part
                if len(self._header) == _RECORD:
                    self._begin(bytes(self._header))
                    self._header.clear()
            view = view[len(part) :]

    def end(self) -> Manifest:
        """What passed, when all of it did."""
        if self._name:
            raise Malformed(f"it ends in the middle of {self._name}, {self._left} bytes of {self._size} early")
        if self.manifest is None:
            raise Malformed(f"it ends before {MANIFEST}")
        if left := sorted(self.manifest.files.keys() - self._seen):
            raise Malformed(f"it ends before {', '.join(left)}")
        if self._behind < _RECORD:
            raise Malformed("its end is cut off")
        return self.manifest

    def _begin(self, header: bytes) -> None:
        if not any(header):
            self._over = True
            return
        try:
            member = tarfile.TarInfo.frombuf(header, "ascii", "strict")
        except (tarfile.TarError, ValueError):
            raise Malformed("there is no header of a tar where the next file should begin") from None
        name, expected = member.name, self._expected()
        if member.type not in (tarfile.REGTYPE, tarfile.AREGTYPE) or not PLAIN.match(name):
            raise Malformed(f"{name[:80]!r} is no plain file with a plain name")
        if name not in expected:
            raise Malformed(f"{name} is not in the manifest, or came twice, or before it")
        if member.size < 0 or expected[name] not in (None, member.size):
            raise Malformed(f"{name} has {member.size} bytes, its manifest says {expected[name]}")
        if name == MANIFEST and member.size > _MOST_MANIFEST:
            raise Malformed(f"{MANIFEST} has {member.size} bytes")
        self._name, self._size, self._left, self._padding = name, member.size, member.size, -member.size % _RECORD
        self._hash = sha256()
        self._body(memoryview(b""))

    def _expected(self) -> dict[str, int | None]:
        """The sizes of the files that may come now; the manifest's own is told by nothing."""
        if self.manifest is None:
            return {MANIFEST: None}
        return {name: each.bytes for name, each in self.manifest.files.items() if name not in self._seen}

    def _body(self, part: memoryview) -> None:
        self._left -= len(part)
        self._hash.update(part)
        if self.manifest is None:
            self.text += part
        if self._left:
            return
        name, self._name = self._name, ""
        if self.manifest is None:
            self.manifest = manifest(self.text)
            return
        self._seen.add(name)
        if self._hash.hexdigest() != self.manifest.files[name].sha256:
            raise Malformed(f"{name} is not what was written: its SHA-256 differs from the manifest's")


def checked(blocks: Iterator[bytes], archive: Archive) -> Iterator[bytes]:
    """BLOCKS as they are, each one read by ARCHIVE before it goes on; after the last one the archive is proved whole."""
    for block in blocks:
        archive.feed(block)
        yield block
    archive.end()
