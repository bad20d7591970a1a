"""The form of an archive of exported content: which members a tar has, byte for byte, and what in a file is otherwise.

`about.json` in clear, then NAME.age and NAME.json for every part, then `manifest.json.age` and two zero records.
"""

import json
import os
import re
import sys
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeVar

from rollout.codec import Malformed, decode, encode
from tasks.age import SUFFIX

T = TypeVar("T")
SCHEMA = "stormlift.content-archive/1"
ABOUT, MANIFEST = "about.json", f"manifest.json{SUFFIX}"
RECORD, END = 512, bytes(1024)
MOST_PARTS, _MOST_NOTE, _MOST_MANIFEST, _BLOCK = 64, 1 << 16, 4 << 20, 1 << 18
NAME = re.compile(r"(?!(about|manifest)\Z)[a-z0-9][a-z0-9-]{0,40}\Z")
_LAST_MOMENT = 1e11  # seconds since 1970; what is later, no calendar shows


@dataclass(frozen=True)
class About:
    """What an archive says of itself, in clear; `at` is seconds since 1970. `begin` sets `recipients` and `id`."""

    deployment: str
    release: str
    tool: str
    at: float
    recipients: tuple[str, ...] = ()
    id: str = ""
    schema: str = SCHEMA

    def __post_init__(self) -> None:
        words = (self.deployment, self.release, self.id, self.tool, *self.recipients)
        if self.schema != SCHEMA or not all(map(str.isprintable, words)) or not 0 <= self.at < _LAST_MOMENT:
            raise Malformed(f"{ABOUT} is none of {SCHEMA}")


@dataclass(frozen=True)
class Part:
    """One part. `about` is the caller's and stands in clear; `proof` is the SHA-256 of the plain bytes, encrypted like them:
    from one in clear, a short secret could be guessed."""

    bytes: int
    sha256: str
    plain_bytes: int
    proof: str
    about: dict[str, Any]


@dataclass(frozen=True)
class Manifest:
    """What an archive holds, by names in the order of the file; `salt` is for digests of the content that are published."""

    about_sha256: str
    salt: str
    parts: dict[str, Part]


@dataclass(frozen=True)
class Member:
    """A member of the tar: its bytes are those from `at` to `past`, and the next header stands at `end`."""

    name: str
    at: int
    size: int

    @property
    def past(self) -> int:
        """Where its padding begins."""
        return self.at + self.size

    @property
    def end(self) -> int:
        """Where its padding ends."""
        return self.past + -self.size % RECORD

    @property
    def odd(self) -> str:
        """That it is damaged, and where."""
        return f"{self.name} is not what was written (its bytes {self.at} to {self.past})"


def text(value: Any) -> bytes:
    """The one JSON text of VALUE."""
    return json.dumps(encode(value), indent=1).encode() + b"\n"


def parsed(kind: type[T], data: bytes) -> T:
    """DATA as KIND. Raises Malformed, also where `text` would have written it in another way."""
    try:
        found = decode(kind, json.loads(data))
        if text(found) == data:
            return found
    except (ValueError, RecursionError):
        pass
    raise Malformed(f"it is none of {SCHEMA}")


def note_of(part: str) -> str:
    """The name of the member that tells of PART: whoever cannot decrypt it goes on by that."""
    return f"{part}.json"


def header(name: str, size: int) -> bytes:
    """The one header that a member may have."""
    info = tarfile.TarInfo(name)
    info.mode, info.size = 0o600, size
    return info.tobuf(tarfile.GNU_FORMAT, "ascii", "strict")


def layout(file: int) -> tuple[list[Member], str]:
    """The members of FILE in order, and what is wrong behind the last of them; "" where the archive ends as it must."""
    found, at, size = list[Member](), 0, os.fstat(file).st_size
    while not found or found[-1].name != MANIFEST:
        record = os.pread(file, RECORD, at)
        place = f"behind {found[-1].name}" if found else "at its beginning"
        if len(record) < RECORD or record == bytes(RECORD):
            return found, f"it ends {place} (byte {at}), before its {MANIFEST if found else ABOUT}"
        if (member := _member(record, at, found)) is None:
            return found, f"what stands {place} is no header that may stand there (bytes {at} to {at + RECORD})"
        if member.end > size:
            return found, f"it ends in the middle of {member.name} (byte {size}), {member.end - size} bytes early"
        if any(os.pread(file, RECORD, member.past)[: member.end - member.past]):
            return found, f"{member.name} is not what was written (its padding, bytes {member.past} to {member.end})"
        found.append(member)
        at = member.end
    ends = size == at + len(END) and os.pread(file, len(END), at) == END
    return found, "" if ends else f"what stands behind {MANIFEST} is not its end alone (bytes {at} to {size})"


def _member(record: bytes, at: int, found: list[Member]) -> Member | None:
    """The member whose header RECORD is, if it may follow those that were FOUND."""
    try:
        info = tarfile.TarInfo.frombuf(record, "ascii", "strict")
        same = header(info.name, info.size) == record
    except (tarfile.TarError, ValueError):
        return None
    if not found:
        good, most = info.name == ABOUT, _MOST_NOTE
    elif len(found) % 2 == 0:
        good, most = info.name == note_of(found[-1].name.removesuffix(SUFFIX)), _MOST_NOTE
    elif info.name == MANIFEST:
        good, most = True, _MOST_MANIFEST
    else:
        fresh = all(info.name != each.name for each in found) and len(found) < 2 * MOST_PARTS
        good, most = (
            fresh and info.name.endswith(SUFFIX) and bool(NAME.match(info.name.removesuffix(SUFFIX))),
            sys.maxsize,
        )
    return Member(info.name, at + RECORD, info.size) if same and good and 0 <= info.size <= most else None


def small(name: str, data: bytes) -> bytes:
    """A whole member with DATA that is held in memory. Raises Malformed: no reader would take one as long as this."""
    if len(data) > (_MOST_MANIFEST if name == MANIFEST else _MOST_NOTE):
        raise Malformed(f"{name} would have {len(data)} bytes")
    return header(name, len(data)) + data + bytes(-len(data) % RECORD)


def blocks(file: int, member: Member) -> Iterator[bytes]:
    """The bytes of MEMBER in pieces. Raises Malformed: the file has become shorter."""
    at = member.at
    while at < member.past:
        if not (block := os.pread(file, min(_BLOCK, member.past - at), at)):
            raise Malformed(member.odd)
        yield block
        at += len(block)


def digest(file: int, member: Member) -> str:
    """SHA-256 of the bytes of MEMBER, in hex."""
    found = sha256()
    for block in blocks(file, member):
        found.update(block)
    return found.hexdigest()


def odd(file: int, members: list[Member], manifest: Manifest) -> str:
    """What of the MEMBERS of FILE, which are those of a whole one, is not as MANIFEST says; "" when all of it is."""
    pairs = list(zip(members[1:-1:2], members[2:-1:2], strict=True))
    if digest(file, members[0]) != manifest.about_sha256:
        return members[0].odd
    if [part.name for part, _ in pairs] != [f"{name}{SUFFIX}" for name in manifest.parts]:
        return f"its {MANIFEST} names other parts than stand before it (bytes {members[0].end} to {members[-1].at})"
    for (part, note), told in zip(pairs, manifest.parts.values(), strict=True):
        if b"".join(blocks(file, note)) != text(told):
            return note.odd
        if part.size != told.bytes or digest(file, part) != told.sha256:
            return part.odd
    return ""
