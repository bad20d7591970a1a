"""Old executions on their way into files: COPY text read and written, digests, JSON lines, CSV, the stream, the page."""

import csv
import io
import json
import random
import re
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import copytext
from rollout.codec import Malformed
from rollout.copytext import Row
from rollout.export import Incoming
from rollout.page import CHUNK_ROWS, Page, from_page
from rollout.records import Digest, Proof, csv_line, from_csv, from_json, json_line
from tests.pure.sent import COLUMNS, sent

ROOT = Path(__file__).resolve().parent.parent.parent
TEMPLATE = (ROOT / "tasks" / "executions.html").read_text()
SEED = ROOT / "lab" / "packages" / "seed" / "mistral-rows.sql"

values = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=20)
hostile = st.sampled_from(
    ["\\", "\\N", "\\.", "\t", "\n", "\r\n", "", '"', '""', ",", "\\n", "\b\f\v", "é\u2028", "</script>"]
)
rows = st.lists(st.tuples(*[st.none() | values | hostile] * len(COLUMNS)), max_size=6)


def encoded(row: Row) -> bytes:
    """A row as the manual of COPY says, character by character."""
    fields = []
    for value in row:
        if value is None:
            fields.append("\\N")
            continue
        field = ""
        for char in value:
            if char == "\\":
                field += "\\\\"
            elif char in "\b\f\n\r\t\v":
                field += "\\" + "bfnrtv"["\b\f\n\r\t\v".index(char)]
            else:
                field += char
        fields.append(field)
    return "\t".join(fields).encode()


# COPY text.


@given(rows)
def test_copy_text_is_read_as_it_was_meant_and_written_again_to_the_byte(some: list[Row]) -> None:
    for row in some:
        assert copytext.row(encoded(row)) == row
        assert copytext.line(row) == encoded(row)


def test_null_is_not_the_empty_text_and_not_the_letters() -> None:
    assert copytext.row(b"\\N\t\t\\\\N\tN") == (None, "", "\\N", "N")


@pytest.mark.parametrize("field", [b"\\x41", b"\\101", b"\\q", b"a\\", b"a\\Nb", b"\\\\\\N"])
def test_what_copy_never_writes_is_refused(field: bytes) -> None:
    with pytest.raises(Malformed, match="COPY does not write"):
        copytext.row(b"a\t" + field)


def test_a_nul_is_refused_for_it_is_no_backslash() -> None:
    with pytest.raises(Malformed, match="NUL"):
        copytext.row(b"a\0\\n")


def test_bytes_of_a_database_without_an_encoding_survive() -> None:
    raw = b"caf\xe9\t\\N\tna\xc3\xafve"
    row = copytext.row(raw, copytext.codec("SQL_ASCII"))
    assert copytext.line(row) == raw
    columns = ("a", "b", "c")
    assert list(from_json(columns, [json_line(columns, row)])) == [row]
    assert list(from_csv(io.BytesIO(csv_line(row)))) == [row]
    assert b"caf\xe9" in csv_line(row)


def test_a_dump_in_latin1_is_read_as_such_and_an_unknown_encoding_refused() -> None:
    charset = copytext.codec("LATIN1")
    assert copytext.row(b"caf\xe9", charset) == ("café",)
    assert copytext.line(("café",), charset) == b"caf\xe9"
    with pytest.raises(Malformed, match="EUC_JP"):
        copytext.codec("EUC_JP")


# Digests.


def digest(some: list[Row]) -> Digest:
    made = Digest()
    for row in some:
        made.add(row)
    return made


@given(rows, st.randoms())
def test_the_digest_does_not_depend_on_the_order(some: list[Row], chance: random.Random) -> None:
    assert digest(chance.sample(some, len(some))) == digest(some)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ([("a", None)], [("a", "")]),
        ([("a", "b")], [("ab", "")]),
        ([("a", "b")], [("b", "a")]),
        ([("-", "a")], [(None, "a")]),
        ([("a",)], [("a",), ("a",)]),
    ],
)
def test_the_digest_tells_rows_apart(one: list[Row], other: list[Row]) -> None:
    assert digest(one) != digest(other)


def test_the_digest_is_the_one_that_postgresql_computes() -> None:
    """The value is what PostgreSQL 15 gave for these 20 rows, asked with the query of mistral_export.py."""
    text = SEED.read_bytes().partition(b"COPY public.executions_v2")[2].partition(b"FROM stdin;\n")[2]
    found = [copytext.row(line) for line in text.partition(b"\\.\n")[0].splitlines()]
    assert str(digest(found)) == "20-b832579ac9deb3e1-9a9000c6b41520f9"


# JSON lines and CSV.


@given(rows)
def test_json_and_csv_hold_the_same_and_give_it_back(some: list[Row]) -> None:
    lines = b"".join(json_line(COLUMNS, row) for row in some)
    table = b"".join(csv_line(row) for row in some)
    assert list(from_json(COLUMNS, io.BytesIO(lines))) == some
    assert list(from_csv(io.BytesIO(table))) == some


@given(rows)
def test_other_readers_read_the_same(some: list[Row]) -> None:
    table = b"".join(csv_line(row) for row in some).decode()
    assert list(csv.reader(io.StringIO(table, newline=""))) == [[value or "" for value in row] for row in some]
    for row in some:
        assert list(json.loads(json_line(COLUMNS, row)).items()) == list(zip(COLUMNS, row, strict=True))
        assert json_line(COLUMNS, row).count(b"\n") == 1


@pytest.mark.parametrize("table", [b'"a","b', b'"a",b\n', b'"a"b\n', b'"a,b"",c"d\n'])
def test_csv_of_another_shape_is_refused(table: bytes) -> None:
    with pytest.raises(Malformed):
        list(from_csv(io.BytesIO(table)))


@pytest.mark.parametrize("way", ["COPY", "CSV", "JSON"])
def test_a_value_takes_the_room_of_a_few_of_its_size_however_it_is_escaped(way: str) -> None:
    """A pattern that remembers each escape takes thirteen times its size for COPY, fifty for CSV."""
    wide: Row = ('{"a": "b\\n"},\n' * 50_000,)
    reads: dict[str, tuple[bytes, Callable[[bytes], Row]]] = {
        "COPY": (copytext.line(wide), copytext.row),
        "CSV": (csv_line(wide), lambda text: next(from_csv(io.BytesIO(text)))),
        "JSON": (json_line(("a",), wide), lambda text: next(from_json(("a",), [text]))),
    }
    text, read = reads[way]
    tracemalloc.start()
    try:
        assert read(text) == wide
        assert tracemalloc.get_traced_memory()[1] < 6 * len(text)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("line", [b'{"id":1,"state":"a"}', b'{"id":"1","state":["a"]}', b'{"id":"1"}', b"[]", b'{"id"'])
def test_a_line_of_json_that_is_no_record_is_refused(line: bytes) -> None:
    with pytest.raises(Malformed, match="is no record"):
        list(from_json(("id", "state"), [line]))


# The stream.


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


@given(rows, st.integers(1, 400))
def test_the_stream_is_read_however_it_is_cut_into_pieces(some: list[Row], size: int) -> None:
    incoming = Incoming(pieces(b"Welcome to box\n" + sent(some), size))
    assert incoming.head.columns == COLUMNS
    assert list(incoming.rows()) == some
    assert incoming.foot is not None
    assert incoming.foot.counted() == digest(some)
    proof = Proof("utf-8")
    for row in some:
        proof.add(row)
    assert (incoming.foot.rows, incoming.foot.bytes, incoming.foot.sha256) == (proof.rows, proof.size, proof.sha256)


@given(st.data())
def test_a_stream_that_ends_early_is_never_taken_for_a_whole_one(data: st.DataObject) -> None:
    whole = sent([("a", "b\n", None), ("c", "", "d")])
    at = data.draw(st.integers(0, len(whole) - 1))
    with pytest.raises(Malformed):
        list(Incoming(iter([whole[:at]])).rows())


def test_rows_of_another_width_and_bytes_that_are_no_gzip_are_refused() -> None:
    with pytest.raises(Malformed, match="2 values where there are 3 columns"):
        list(Incoming(iter([sent([("a", "b")])])).rows())
    head = sent([]).partition(b"\n")[0]
    with pytest.raises(Malformed, match="cannot be unpacked"):
        list(Incoming(iter([head + b"\nno gzip at all, but long enough"])).rows())


# The page.


def page_of(some: list[Row], about: dict[str, object] | None = None) -> bytes:
    page = Page(TEMPLATE)
    parts = [page.head(), *(page.add(row) for row in some)]
    return b"".join([*parts, page.tail({"title": "t", "columns": COLUMNS, "rows": len(some), **(about or {})})])


@given(rows)
def test_the_page_holds_every_row(some: list[Row]) -> None:
    assert list(from_page(io.BytesIO(page_of(some)))) == some


def test_the_page_holds_rows_in_chunks_that_can_be_unpacked_one_by_one() -> None:
    some: list[Row] = [(str(number), "x", None) for number in range(2 * CHUNK_ROWS + 1)]
    text = page_of(some).decode()
    assert text.count('class="rows">') == 3
    assert list(from_page(io.BytesIO(text.encode()))) == some
    big: list[Row] = [("x" * 3_000_000, None, None)] * 3
    assert page_of(big).count(b'class="rows">') == 2


def test_nothing_of_a_record_becomes_markup() -> None:
    markup = "</script><script>alert(1)</script>"
    text = page_of([(markup, markup, None)], {"title": markup, "states": {markup: 1}}).decode()
    assert text.count("<script") == page_of([("a", "b", None)]).decode().count("<script")
    assert "alert(1)</script>" not in text
    found = re.search(r'id="about">(.*?)</script>', text)
    assert found and json.loads(found[1])["title"] == markup


def test_the_page_s_own_script_sets_texts_only_and_fetches_nothing() -> None:
    for word in (
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "eval(",
        "fetch(",
        "http:",
        "https:",
        "src=",
    ):
        assert word not in TEMPLATE
    text = page_of([]).decode()
    assert "default-src 'none'" in text and "script-src 'sha256-" in text and "@" not in text.partition("<style>")[0]


def test_the_page_indents_json_only_where_javascript_keeps_its_numbers() -> None:
    """Its 9007199254740993 is ...992, its 1e400 null: a record that holds one is shown as it is stored."""
    pretty = TEMPLATE.partition("function pretty(")[2].partition("\n}\n")[0]
    assert "String(Number(number)) === number" in pretty
    assert pretty.count("JSON.stringify") == 1 and "return exact && " in pretty


def test_the_script_that_may_run_is_the_page_s_own() -> None:
    from base64 import b64encode
    from hashlib import sha256

    text = page_of([("a", "b", None)]).decode()
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    assert len(scripts) == 1
    assert f"'sha256-{b64encode(sha256(scripts[0].encode()).digest()).decode()}'" in text


def test_a_page_that_was_damaged_is_not_taken_for_whole() -> None:
    text = page_of([("a", "b", None)])
    at = text.index(b'class="rows">') + 40
    with pytest.raises(Malformed):
        list(from_page(io.BytesIO(text[:at] + b"!" + text[at + 1 :])))
