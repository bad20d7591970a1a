"""The event stream of a segment, over as many connections as it takes."""

import pytest

from remote.stream import Stream, readable
from rollout.execute import Told
from rollout.secret import MASK, Mask, Secret

TALE = [
    "@started 2.2.1:one 1490000000.5",
    "| working",
    "| done",
    "@finished 2.2.1:one 1490000002.5 0 false",
    "@started 2.2.1:two 1490000003",
    "@finished 2.2.1:two 1490000004 75 true",
    "@end",
]


def read(stream: Stream, *lines: str) -> list[Told]:
    return [told for line in lines if (told := stream.read(line)) is not None]


def connected(how: str = "own", mask: Mask | None = None) -> Stream:
    stream = Stream(mask or Mask())
    stream.connected()
    stream.read(f"@follow {how}")
    return stream


def test_the_tale_of_a_segment() -> None:
    stream = connected()
    assert read(stream, *TALE) == [
        Told("started", "2.2.1:one", 1490000000.5),
        Told("finished", "2.2.1:one", 1490000002.5, 0, False, "working\ndone"),
        Told("started", "2.2.1:two", 1490000003.0),
        Told("finished", "2.2.1:two", 1490000004.0, 75, True, ""),
    ]
    assert stream.over and stream.offset == sum(len(line) + 1 for line in TALE)


def test_what_comes_before_the_tale_is_noise() -> None:
    stream = Stream(Mask())
    stream.connected()
    assert read(stream, "Welcome to apt1", "@started x 1", "@end", "@follow own", "@started x 1") == [
        Told("started", "x", 1.0)
    ]
    assert stream.noise == ["Welcome to apt1", "@started x 1", "@end"]
    assert stream.offset == len("@started x 1\n") and not stream.over


@pytest.mark.parametrize("cut", range(1, len(TALE)))
def test_a_second_connection_goes_on_where_the_first_was_lost(cut: int) -> None:
    whole, stream = connected(), connected()
    told = read(stream, *TALE[:cut])
    assert stream.offset == len("".join(f"{line}\n" for line in TALE[:cut]))
    stream.connected()
    told += read(stream, "a banner", "@follow own", *TALE[cut:])
    assert told == read(whole, *TALE)


def test_bytes_are_counted_and_not_characters() -> None:
    stream = connected()
    stream.read("| gr\udcc3\udcbc\udcff")
    assert stream.offset == len(b"| gr\xc3\xbc\xff\n")
    (told,) = read(stream, "@finished x 1 1 false")
    assert told.log == "gr\u00fc\ufffd"
    assert readable("\udcff") == "\ufffd"


def test_a_host_that_died_is_interrupted_and_the_word_is_not_the_runners() -> None:
    stream = connected()
    read(stream, *TALE[:2])
    at = stream.offset
    assert read(stream, "@gone") == [Told("interrupted")]
    assert stream.over and stream.offset == at


def test_the_end_of_another_segment_is_not_the_end_of_ones_own() -> None:
    stream = connected("busy")
    assert stream.foreign
    assert read(stream, *TALE)[-1] == Told("interrupted")
    assert [told.code for told in read(connected("busy"), *TALE) if told.kind == "finished"] == [0]


def test_what_was_read_of_another_segment_is_not_skipped_in_ones_own() -> None:
    stream = connected("busy")
    read(stream, *TALE[:4])
    stream.connected()
    stream.read("@follow own")
    assert stream.offset == 0


def test_a_log_is_masked_and_short() -> None:
    mask = Mask()
    mask.learn(Secret("s3cret"))
    stream = connected(mask=mask)
    (told,) = read(stream, *(f"| line {number} s3cret" for number in range(50)), "@finished x 1 1 false")
    assert told.log.splitlines()[-1] == f"line 49 {MASK}" and len(told.log.splitlines()) == 20


@pytest.mark.parametrize("line", ["@", "@finished", "@finished x 1", "@started x", "@lunch x 1"])
def test_a_line_that_is_no_event_tells_nothing(line: str) -> None:
    assert read(connected(), line) == []
