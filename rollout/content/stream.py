"""The stream in which a host sends content, and in which an archive keeps it: a head, a line for each item, an end.

The same reader serves both, and takes pieces of any size. Nothing is held but a line.
"""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from rollout.codec import Malformed, decode
from rollout.content.items import Item, item

MARK = b"@stormlift-content "
SCHEMA = "stormlift.content/1"
_MOST_NOISE = 1 << 20
_MOST_LINE = 128 << 20  # a document of MongoDB has 16 MiB at most, and JSON may spell a byte with six


@dataclass(frozen=True)
class Head:
    """Who sends: release and name of the host, its clock in seconds since 1970, and which parts come."""

    release: str
    at: float
    host: str
    parts: tuple[str, ...]
    schema: str = SCHEMA


@dataclass(frozen=True)
class End:
    """What came: how many items, the SHA-256 of their lines, and what the host has to tell of each part."""

    records: int
    sha256: str
    told: dict[str, dict[str, Any]] = field(default_factory=dict)
    kind: str = "end"

    @property
    def expired(self) -> int:
        """Keys that had expired before they were read, and stayed."""
        return self._count("expired")

    @property
    def shadowed(self) -> "Named":
        """Keys in a form that the release does not read, whose place another has taken."""
        return Named(self._names("shadowed"), self._count("shadows"))

    @property
    def odd(self) -> "Named":
        """Keys that no instance could take, with why."""
        return Named(self._names("odd"), self._count("odds"))

    def _count(self, what: str) -> int:
        return sum(found for each in self.told.values() if isinstance(found := each.get(what), int))

    def _names(self, what: str) -> tuple[str, ...]:
        lists = [found for each in self.told.values() if isinstance(found := each.get(what), list)]
        return tuple(name for found in lists for name in found if isinstance(name, str))


@dataclass(frozen=True)
class Named:
    """The first of some names, and how many there are in all."""

    names: tuple[str, ...] = ()
    count: int = 0


def from_mark(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """BLOCKS from the head on: a login shell may have said something before it. Raises Malformed."""
    rest = b""
    while (at := rest.find(MARK)) < 0:
        if len(rest) > _MOST_NOISE or (block := next(blocks, None)) is None:
            raise Malformed("what the host says is no content of st2")
        rest += block
    yield rest[at:]
    yield from blocks


class Reader:
    """Takes a stream by `feed`, gives every item to TAKE, and is asked by `finish` whether all came. Both raise Malformed."""

    def __init__(self, take: Callable[[Item], None], place: str) -> None:
        self.head: Head | None = None
        self.end: End | None = None
        self.records = 0
        self._take = take
        self._place = place
        self._rest: list[bytes] = []
        self._held = 0
        self._digest = sha256()

    def feed(self, data: bytes) -> None:
        """Take the next piece."""
        *whole, rest = data.split(b"\n")
        for line in whole:
            self._line(b"".join((*self._rest, line)))
            self._rest, self._held = [], 0
        if rest:
            self._rest.append(rest)
            self._held += len(rest)
            if self._held > _MOST_LINE:
                raise Malformed(f"{self._place}: line {self.records + 1} has no end")

    def finish(self) -> End:
        """The end, when it came."""
        if self.end is None or self._rest:
            raise Malformed(f"{self._place}: it ends early, behind {self.records} items")
        return self.end

    def _line(self, line: bytes) -> None:
        if self.end is not None:
            raise Malformed(f"{self._place}: there is something behind its end")
        if self.head is None:
            if not line.startswith(MARK):
                raise Malformed(f"{self._place}: it does not begin as content of st2 does")
            self.head = decode(
                Head, _object(line.removeprefix(MARK), f"{self._place}: its head"), f"{self._place}: its head"
            )
            if self.head.schema != SCHEMA:
                raise Malformed(f"{self._place}: its schema is {self.head.schema}, this tool reads {SCHEMA}")
            return
        where = f"{self._place}: line {self.records + 1}"
        data = _object(line, where)
        if isinstance(data, dict) and data.get("kind") == "end":
            self.end = decode(End, data, f"{self._place}: its end")
            if (self.end.records, self.end.sha256) != (self.records, self._digest.hexdigest()):
                raise Malformed(f"{self._place}: its items are not those that were sent")
            return
        self._digest.update(line + b"\n")
        self.records += 1
        self._take(item(data, where))


def passing(blocks: Iterator[bytes], reader: Reader) -> Iterator[bytes]:
    """BLOCKS from the head on, each one read by READER before it goes on; behind the last one the stream is proved whole."""
    for block in from_mark(blocks):
        reader.feed(block)
        yield block
    reader.finish()


def _object(line: bytes, place: str) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed(f"{place} is no JSON") from None
