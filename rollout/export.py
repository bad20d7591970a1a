"""The stream in which a host sends its records: a line of JSON, the gzip'd COPY text, a line of JSON (mistral_export.py)."""

import json
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from rollout import copytext
from rollout.codec import Malformed, decode
from rollout.copytext import Row
from rollout.records import Digest

MARK = b"@stormlift-export "
_BLOCK = 1 << 20
_MOST_NOISE = 1 << 20
_CUT = "what the host sent ends too early"


@dataclass(frozen=True)
class Head:
    """What is coming: the columns, the encoding of the text, `source` (database or dump) and which one, host's clock."""

    columns: tuple[str, ...]
    encoding: str
    source: str
    of: dict[str, Any]
    started: float


@dataclass(frozen=True)
class Foot:
    """What came: rows, bytes and SHA-256 of the COPY text, the host's peak of memory, the server's digest if there is one."""

    rows: int
    bytes: int
    sha256: str
    rss_kib: int
    digest: dict[str, Any] | None = None

    def counted(self) -> Digest | None:
        """The digest that the database server computed of its table."""
        found = self.digest
        return Digest(int(found["rows"]), int(found["high"]), int(found["low"])) if found else None


class Incoming:
    """Reads the stream in pieces: `head` at once, then `rows`, then `foot`. Raises Malformed."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._rest = b""
        self.head = self._head()
        self.charset = copytext.codec(self.head.encoding)
        self.foot: Foot | None = None

    def _head(self) -> Head:
        """The first line that is ours; a login shell may have said something before it."""
        while (at := self._rest.find(MARK)) < 0 or b"\n" not in self._rest[at:]:
            if len(self._rest) > _MOST_NOISE:
                raise Malformed("what the host says is no export")
            self._rest += self._next()
        line, _, self._rest = self._rest[at + len(MARK) :].partition(b"\n")
        return decode(Head, _object(line))

    def _next(self) -> bytes:
        if (block := next(self._blocks, None)) is None:
            raise Malformed(_CUT)
        return block

    def rows(self) -> Iterator[Row]:
        """Every record, in the order in which it came; afterwards there is a foot."""
        width, rest = len(self.head.columns), b""
        for text in self._texts():
            *whole, rest = (rest + text).split(b"\n")
            for line in whole:
                row = copytext.row(line, self.charset)
                if len(row) != width:
                    raise Malformed(f"a row has {len(row)} values where there are {width} columns")
                yield row
        if rest:
            raise Malformed(_CUT)
        self.foot = self._foot()

    def _texts(self) -> Iterator[bytes]:
        """The COPY text, a piece at a time, however well it was compressed."""
        packed, block = zlib.decompressobj(31), self._rest
        while not packed.eof:
            block = block or self._next()
            try:
                yield packed.decompress(block, _BLOCK)
            except zlib.error as error:
                raise Malformed(f"what the host sent cannot be unpacked: {error}") from None
            block = packed.unconsumed_tail
        self._rest = packed.unused_data

    def _foot(self) -> Foot:
        while b"\n" not in self._rest:
            self._rest += self._next()
        return decode(Foot, _object(self._rest.partition(b"\n")[0]))


def _object(line: bytes) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise Malformed("what the host says of its export is no JSON") from None
