"""Records of executions_v2 as lines of JSON and as CSV, there and back, and the digests that prove them whole."""

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import md5, sha256
from typing import Any

from rollout import copytext
from rollout.codec import Malformed
from rollout.copytext import Row

_JSON = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_ASCII = json.JSONEncoder(separators=(",", ":"))
_QUOTES = re.compile('"+')
_CLOSING = re.compile('(?<!")"(?:"")*(?!")')  # inside of a value quotes stand in pairs: the odd one closes


# --- JSON ----------------------------------------------------------------------------------------------------


def json_text(value: Any) -> bytes:
    """VALUE on one line; bytes that are no UTF-8 (a SQL_ASCII database) as lone surrogates, escaped."""
    try:
        return _JSON.encode(value).encode()
    except UnicodeEncodeError:
        return _ASCII.encode(value).encode()


def json_line(columns: tuple[str, ...], row: Row) -> bytes:
    """ROW as an object on a line of its own, values exactly as PostgreSQL writes them, or null."""
    return json_text(dict(zip(columns, row, strict=True))) + b"\n"


def from_json(columns: tuple[str, ...], lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of LINES that json_line wrote. Raises Malformed."""
    for line in lines:
        try:
            found = json.loads(line)
            row = tuple(found[name] for name in columns)
        except (ValueError, KeyError, TypeError) as error:
            raise Malformed(f"a line is no record: {error}") from None
        if not all(value is None or isinstance(value, str) for value in row):
            raise Malformed("a line is no record: a value is no text")
        yield row


# --- CSV -----------------------------------------------------------------------------------------------------


def csv_line(row: Row) -> bytes:
    """ROW as CSV that PostgreSQL's own COPY ... CSV reads again: every value quoted, null is nothing at all."""
    cells = ["" if value is None else '"' + value.replace('"', '""') + '"' for value in row]
    return ",".join(cells).encode("utf-8", "surrogateescape") + b"\n"


def from_csv(lines: Iterable[bytes]) -> Iterator[Row]:
    """The rows of LINES that csv_line wrote, the header first: a value may stand on several. Raises Malformed."""
    held = bytearray()
    quotes = 0
    for line in lines:
        held += line
        quotes += line.count(b'"')
        if quotes % 2 == 0:
            yield _cells(held.decode("utf-8", "surrogateescape"))
            held, quotes = bytearray(), 0
    if held:
        raise Malformed("the last record is cut off")


def _cells(record: str) -> Row:
    text, at = record.removesuffix("\n"), 0
    cells: list[str | None] = []
    while True:
        cell, at = _cell(text, at)
        cells.append(cell)
        if at == len(text):
            return tuple(cells)
        if text[at] != ",":
            raise Malformed("a line is no record: a value is not quoted")
        at += 1


def _cell(text: str, at: int) -> tuple[str | None, int]:
    """The value that begins at AT of TEXT, and where it ends.

    No pattern for a whole value: it would remember every doubled quote, fifty times what the value takes.
    """
    if (opening := _QUOTES.match(text, at)) is None:
        return None, at
    # With the one that opens, an even number of quotes closes as well.
    closing = opening if (opening.end() - at) % 2 == 0 else _CLOSING.search(text, opening.end())
    if closing is None:
        raise Malformed("a line is no record: a value does not end")
    return text[at + 1 : closing.end() - 1].replace('""', '"'), closing.end()


# --- proof ---------------------------------------------------------------------------------------------------


@dataclass
class Digest:
    """What mistral_export.digest_query has the server compute of the table: equal for equal rows in whatever order."""

    rows: int = 0
    high: int = 0
    low: int = 0

    def add(self, row: Row) -> None:
        """Count ROW in."""
        parts = ["-" if value is None else _md5(value) for value in row]
        found = _md5("".join(parts))
        self.rows += 1
        self.high += int(found[:15], 16)
        self.low += int(found[15:30], 16)

    def __str__(self) -> str:
        return f"{self.rows}-{self.high:x}-{self.low:x}"


def _md5(text: str) -> str:
    return md5(text.encode("utf-8", "surrogateescape"), usedforsecurity=False).hexdigest()


@dataclass
class Proof:
    """What was read back, as the COPY text that it came from: so many rows and bytes, with this SHA-256."""

    charset: str
    rows: int = 0
    size: int = 0
    _hash: Any = field(default_factory=sha256)

    def add(self, row: Row) -> None:
        """Count ROW in."""
        line = copytext.line(row, self.charset) + b"\n"
        self.rows += 1
        self.size += len(line)
        self._hash.update(line)

    @property
    def sha256(self) -> str:
        """Of the COPY text so far."""
        return str(self._hash.hexdigest())
