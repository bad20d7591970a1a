"""The files of an export: written as the rows come, read back from the disk, and named when all of them are whole."""

import gzip
import io
import json
import os
import sys
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from rollout.codec import Malformed
from rollout.copytext import Row
from rollout.export import Foot, Head, Incoming
from rollout.page import LEVEL, Page, from_page
from rollout.records import Digest, Proof, csv_line, from_csv, from_json, json_line
from tasks.edge import moment

JSONL, CSV, HTML, MANIFEST = "executions_v2.jsonl.gz", "executions_v2.csv.gz", "executions.html", "manifest.json"
PART = ".part"
_TEMPLATE = Path(__file__).with_name("executions.html")
_BUFFER = 1 << 18
_EVERY = 50_000  # rows between two lines of progress
_MOST_STATES = 50
_NO_STATE = "none"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Order:
    """What is exported: of which deployment, out of a dump or (no `dump`) the database, where to, with a page or not."""

    deployment: str
    folder: Path
    dump: str = ""
    page: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The files that are written."""
        return (JSONL, CSV, HTML) if self.page else (JSONL, CSV)

    def name_of(self, head: Head) -> str:
        """The database's name, or the dump's as it was asked for: an old Python in the C locale cannot spell every path."""
        return self.dump or str(head.of.get("name"))


@dataclass
class Written:
    """What was written: how many rows, how many of each state, and the SHA-256 of the page, if there is one."""

    rows: int = 0
    states: dict[str, int] = field(default_factory=dict)
    page: str = ""


# --- writing -------------------------------------------------------------------------------------------------


def write(order: Order, incoming: Incoming, say: Say) -> Written:
    """Every row into every file, as they come, under names that end in .part."""
    head, written = incoming.head, Written()
    page, drawn = Page(_TEMPLATE.read_text("utf-8")) if order.page else None, sha256()
    with ExitStack() as stack:
        lines, table = (stack.enter_context(packed(order.folder / name)) for name in (JSONL, CSV))
        sheet = stack.enter_context(opened(order.folder / HTML)) if page else io.BytesIO()

        def draw(part: bytes) -> None:
            drawn.update(part)
            sheet.write(part)

        table.write(csv_line(head.columns))
        draw(page.head() if page else b"")
        for row in incoming.rows():
            lines.write(json_line(head.columns, row))
            table.write(csv_line(row))
            if page:
                draw(page.add(row))
            _count(written, head, row)
            if written.rows % _EVERY == 0 and sys.stderr.isatty():
                say(f"{order.deployment}: {written.rows} rows")
        draw(page.tail(_about(order, head, written)) if page else b"")
    written.page = drawn.hexdigest() if page else ""
    return written


def _count(written: Written, head: Head, row: Row) -> None:
    written.rows += 1
    state = (row[head.columns.index("state")] if "state" in head.columns else None) or _NO_STATE
    if state in written.states or len(written.states) < _MOST_STATES:
        written.states[state] = written.states.get(state, 0) + 1


def _about(order: Order, head: Head, written: Written) -> dict[str, Any]:
    of = f"{head.source} {order.name_of(head)}, {moment(head.started)}"
    return {
        "title": f"Old Mistral executions of {order.deployment}",
        "source": f"{written.rows} records of executions_v2, from the {of}",
        "columns": list(head.columns),
        "rows": written.rows,
        # What the page offers is looked for in the records, and no record says that it has none.
        "states": {state: count for state, count in written.states.items() if state != _NO_STATE},
    }


@contextmanager
def opened(path: Path) -> Iterator[IO[bytes]]:
    """A new file beside PATH, of its owner alone, that is on the disk when the block ends."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(os.open(f"{path}{PART}", flags, 0o600), "wb", _BUFFER) as file:
        yield file
        file.flush()
        os.fsync(file.fileno())
        if sys.platform == "linux":  # what is read back shall come from the disk, not out of this machine's memory
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


@contextmanager
def packed(path: Path) -> Iterator[IO[bytes]]:
    """The same, gzip'd."""
    with (
        opened(path) as file,
        gzip.GzipFile("", "wb", LEVEL, file, mtime=0) as zipped,
        io.BufferedWriter(zipped, _BUFFER) as buffered,
    ):
        yield buffered


def named(folder: Path, manifest: dict[str, Any]) -> None:
    """Give the files of FOLDER their names, the manifest last: where it stands, the export is whole."""
    with opened(folder / MANIFEST) as file:
        file.write(json.dumps(manifest, indent=1).encode() + b"\n")
    for name in (*manifest["files"], MANIFEST):
        os.rename(folder / f"{name}{PART}", folder / name)
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


# --- reading back --------------------------------------------------------------------------------------------


class Hashed(io.RawIOBase):
    """A file that digests what is read of it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.hash = sha256()
        self.size = 0

    def readable(self) -> bool:
        """It is there to be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read what fits into BUFFER."""
        data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        self.hash.update(data)
        self.size += len(data)
        return len(data)


def read_back(folder: Path, name: str, charset: str, head: Head, foot: Foot, page: str) -> dict[str, Any]:
    """What the disk holds of the file NAME, and whether it is all that the host sent and its database counted.

    PAGE is the SHA-256 of the page as it was written: its rows alone do not prove the script that searches them.
    """
    proof, digest, wrong = Proof(charset), Digest(), ""
    with open(folder / f"{name}{PART}", "rb") as file:
        raw = Hashed(file)
        try:
            for row in _rows(name, head, io.BufferedReader(raw, _BUFFER)):
                proof.add(row)
                if name == JSONL:  # the others are proved equal to it by their COPY text
                    digest.add(row)
        except (Malformed, EOFError, gzip.BadGzipFile, zlib.error, UnicodeEncodeError) as error:
            wrong = str(error)
        while raw.read(_BUFFER):
            pass
    sent = (foot.rows, foot.bytes, foot.sha256)
    counted = foot.counted()
    whole = not wrong and sent == (proof.rows, proof.size, proof.sha256)
    if name == JSONL:
        whole = whole and counted in (None, digest)
    if name == HTML:
        whole = whole and raw.hash.hexdigest() == page
    found = {"rows": proof.rows, "bytes": raw.size, "sha256": raw.hash.hexdigest(), "copy_sha256": proof.sha256}
    more = {"digest": str(digest)} if name == JSONL else {}
    return {**found, **more, "whole": whole, **({"wrong": wrong} if wrong else {})}


def _rows(name: str, head: Head, file: io.BufferedReader) -> Iterator[Row]:
    if name == HTML:
        yield from from_page(file)
        return
    lines: Iterable[bytes] = io.BufferedReader(gzip.GzipFile(fileobj=file), _BUFFER)
    if name == JSONL:
        yield from from_json(head.columns, lines)
        return
    table = from_csv(lines)
    if next(table, ()) != head.columns:
        raise Malformed("the header is another one")
    yield from table
