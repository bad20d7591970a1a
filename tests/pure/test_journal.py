"""Journal lines: read back whole, torn or foreign; what they add up to; what an interrupted step needs."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout import journal
from rollout.codec import Malformed, canonical
from rollout.journal import Record, Todo, decide, disagreement, merged, open_run, parse, settled, status
from rollout.model import Kind, Repeat, Scope
from tests.pure.sketch import step

plain = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
records: st.SearchStrategy[Record] = st.builds(
    Record,
    v=st.just(journal.VERSION),
    run=st.text(max_size=8),
    event=st.sampled_from(["opened", "started", "finished", "settled", "closed", "abandoned"]),
    at=st.integers(0, 2**40),
    step=st.text(max_size=8),
    attempt=st.integers(0, 9),
    code=st.integers(0, 255),
    scope=st.sampled_from([each.value for each in Scope]),
    data=st.dictionaries(st.text(max_size=5), plain, max_size=3),
)


def text(*lines: Record) -> str:
    return "".join(f"{canonical(line)}\n" for line in lines)


def line(event: str, **values: Any) -> Record:
    return Record(**{"v": 1, "run": "r1", "event": event, **values})


# Lines.


@settings(max_examples=40)
@given(st.lists(records, max_size=6))
def test_every_line_survives_a_round_trip(written: list[Record]) -> None:
    assert parse(text(*written)) == tuple(written)


@settings(max_examples=40)
@given(st.lists(records, max_size=4), records, st.data())
def test_a_torn_last_line_counts_as_not_written(written: list[Record], last: Record, data: st.DataObject) -> None:
    whole = canonical(last)
    cut = data.draw(st.integers(0, len(whole) - 1))
    assert parse(text(*written) + whole[:cut]) == tuple(written)


def test_a_last_line_that_lacks_only_its_end_was_written() -> None:
    assert parse(text(line("opened")).rstrip("\n")) == (line("opened"),)


def test_a_torn_line_that_the_next_one_ended_counts_as_not_written() -> None:
    torn = canonical(line("started", step="x"))[:30]
    assert parse(f"{text(line('opened'))}{torn} #torn\n{text(line('closed'))}") == (line("opened"), line("closed"))


def test_a_line_that_lacked_only_its_end_stays_written_when_the_next_one_ended_it() -> None:
    whole = canonical(line("finished", step="x"))
    assert parse(f"{whole} #torn\n{text(line('closed'))}") == (line("finished", step="x"), line("closed"))


@pytest.mark.parametrize(
    ("bad", "says"),
    [
        ("rubbish that nobody tore", "line 2: not JSON"),
        ('{"v":2,"run":"r","event":"opened"}', "line 2: version 2, this tool reads 1"),
        ('{"v":1,"run":"r"}', "line 2"),
        ('{"v":1,"run":3,"event":"opened"}', "line 2.run: expected str"),
        ("[]", "line 2: expected dict"),
    ],
)
def test_a_line_that_was_never_ours_is_named(bad: str, says: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse(f"{text(line('opened'))}{bad}\n{text(line('closed'))}")
    assert says in str(caught.value)


def test_a_bad_last_line_that_is_whole_is_not_taken_for_a_torn_one() -> None:
    with pytest.raises(Malformed):
        parse('{"v":2,"run":"r","event":"opened"}\n')


def test_empty_lines_say_nothing() -> None:
    assert parse("") == parse("\n\n") == ()


def test_what_a_runner_writes_is_read() -> None:
    head = canonical({"v": 1, "run": "r1", "step": "2.2.1:x", "host": "a", "scope": "host"})[:-1]
    (record,) = parse(f'{head},"event":"finished","at":5,"attempt":2,"code":0,"data":{{"proved":true}}}}\n')
    assert (record.event, record.at, record.attempt, record.data) == ("finished", 5, 2, {"proved": True})


# Sums.


def test_the_last_settled_release_counts() -> None:
    assert settled([]) == ""
    assert settled([line("settled", data={"release": "2.0.1"}), line("settled", data={"release": "2.2.1"})]) == "2.2.1"


def test_a_run_is_open_until_it_is_closed_or_abandoned() -> None:
    opened = line("opened", data={"command": "upgrade"})
    other = replace(opened, run="r2")
    assert open_run([opened]) == opened
    assert open_run([opened, line("closed")]) is None
    assert open_run([opened, line("abandoned")]) is None
    assert open_run([opened, other]) == other
    assert open_run([opened, other, replace(other, event="closed")]) == opened
    assert open_run([replace(opened, data={"command": "services.stop"})]) is None


STARTED, DONE = line("started", step="s", attempt=1), line("finished", step="s", attempt=1)
FAILED = replace(DONE, code=1)


@pytest.mark.parametrize(
    ("known", "state", "attempts"),
    [
        ([], "none", 0),
        ([STARTED], "interrupted", 1),
        ([STARTED, DONE], "done", 1),
        ([STARTED, FAILED], "failed", 1),
        ([STARTED, FAILED, replace(STARTED, attempt=2)], "interrupted", 2),
        ([STARTED, replace(DONE, attempt=2)], "done", 2),
        ([replace(STARTED, run="r0"), replace(DONE, run="r0")], "none", 0),
        ([replace(STARTED, step="t")], "none", 0),
    ],
)
def test_what_the_journal_knows_of_a_step(known: list[Record], state: str, attempts: int) -> None:
    found = status(known, "r1", "s")
    assert (found.state, found.attempts) == (state, attempts)


RUN, CHECK = Kind.RUN, Kind.CHECK
SAFE, PROBE, ASK = Repeat.SAFE, Repeat.PROBE, Repeat.ASK


@pytest.mark.parametrize(
    ("kind", "repeat", "known", "attempt", "prove_first"),
    [
        (RUN, SAFE, [], 1, False),
        (RUN, PROBE, [], 1, False),
        (RUN, ASK, [], 1, False),
        (RUN, SAFE, [STARTED], 2, False),
        (RUN, PROBE, [STARTED], 2, True),
        (RUN, PROBE, [STARTED, FAILED], 2, False),
        (RUN, ASK, [STARTED, FAILED], 2, False),
        (CHECK, SAFE, [STARTED, DONE], 2, False),
        (CHECK, ASK, [STARTED], 2, False),
    ],
)
def test_what_is_to_be_done_with_a_step(
    kind: Kind, repeat: Repeat, known: list[Record], attempt: int, prove_first: bool
) -> None:
    made = step("s", kind=kind, repeat=repeat)
    unended = known[-1:] == [STARTED]
    assert decide("s", made, "r1", known) == Todo(made, attempt, prove_first, unended)


def test_what_finished_is_not_done_again_and_what_nobody_can_tell_is_asked() -> None:
    for repeat in Repeat:
        assert decide("s", step("s", repeat=repeat), "r1", [STARTED, DONE]) is None
    question = decide("s", step("s", repeat=ASK), "r1", [STARTED])
    assert isinstance(question, str) and "do s was interrupted" in question


# Several hosts.


def test_records_of_the_deployment_count_once_wherever_they_lie() -> None:
    shared = line("finished", step="s", scope="deployment", host="a", attempt=1)
    own = line("finished", step="t", host="a")
    assert merged({"a": [own, shared], "b": [shared]}) == (shared,)
    assert merged({"a": [own], "b": [shared]}) == (shared,)


def test_hosts_that_settled_different_releases_disagree() -> None:
    one, two = line("settled", data={"release": "2.0.1"}), line("settled", data={"release": "2.2.1"})
    assert disagreement({"a": [one], "b": [one]}) == disagreement({"a": [one], "b": []}) == ""
    assert "a 2.0.1" in disagreement({"a": [one], "b": [two]})


def test_hosts_that_hold_different_open_runs_disagree() -> None:
    one = line("opened", data={"command": "upgrade"})
    assert disagreement({"a": [one], "b": []}) == ""
    assert "r2" in disagreement({"a": [one], "b": [replace(one, run="r2")]})


def test_a_line_is_the_same_however_its_keys_stand() -> None:
    data = json.loads(canonical(line("opened", host="a")))
    assert parse(json.dumps(dict(reversed(data.items())))) == (line("opened", host="a"),)
