"""What a backup needs: an upper bound for its room, and its time from the last one, or said to be nobody's measurement."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import durations
from rollout.backup_estimate import Sizes, Taken, estimate, short, sizes_of, text
from rollout.facts import StoreFacts
from tests.pure.boxes import box, by_name, mistral

GIB = 1 << 30


@dataclass(frozen=True)
class Earlier:
    """An earlier backup as a host lists it."""

    at: float = 1.0
    wrong: str = ""
    files: Mapping[str, int] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)


LAST = Earlier(
    at=20,
    files={"files.tar": 5 << 20, "mistral.dump": GIB, "store.archive": 3 * GIB, "packages.txt": 77},
    seconds={"files": 4.0, "mistral": 100.0, "store": 200.0, "seal": 30.0},
)
ALL = Sizes(10 << 20, 8 * GIB, 4 * GIB)


def test_each_database_counts_on_the_host_that_dumps_it() -> None:
    facts = by_name(*(box(name, "2.2.1", store=StoreFacts(size=7)) for name in ("a", "b")))
    assert sizes_of(facts) == {"a": Sizes(None, mistral("2.2.1").size, 7), "b": Sizes(None, 0, 0)}
    down = by_name(box("a", "2.2.1", mistral=mistral("2.2.1", state="unreachable", size=0)))
    assert sizes_of(down) == {"a": Sizes(None, None, None)}, "nobody looked at st2's database"
    refused = by_name(box("a", "2.2.1", mistral=None, store=StoreFacts(cause="login")))
    assert sizes_of(refused)["a"].store is None
    assert estimate(sizes_of(down), {}).needs["a"].unknown == ("files", "mistral", "store")
    front = by_name(box("web", "2.2.1", packages=("st2web",), mistral=None))
    assert sizes_of(front) == {"web": Sizes(None, 0, 0)}


def test_a_dump_is_smaller_than_its_database_and_configuration_may_be_copied_twice() -> None:
    need = estimate({"a": ALL}, {"a": [LAST]}).needs["a"]
    assert 12 * GIB + (20 << 20) <= need.at_most <= 12 * GIB + (64 << 20)
    assert need.last == 4 * GIB + (5 << 20) and need.unknown == ()


def test_it_takes_as_long_as_the_newest_whole_one_took() -> None:
    older, broken = (
        replace(LAST, at=10, seconds={"files": 900.0}),
        replace(LAST, at=30, wrong="no manifest", seconds={}),
    )
    found = estimate({"a": ALL}, {"a": [older, broken, LAST]})
    assert (found.seconds, found.stopped_s) == (4 + 100 + 200 + 30, 100 + 200 + 30)
    assert found.basis == "as the last backup took here"


def test_hosts_work_side_by_side() -> None:
    web = replace(LAST, seconds={"files": 60.0, "seal": 10.0})
    found = estimate({"db": ALL, "web": Sizes(10 << 20)}, {"db": [LAST], "web": [web]})
    assert (found.seconds, found.stopped_s) == (60 + 330, 330)


def test_databases_that_are_kept_elsewhere_need_neither_room_nor_time() -> None:
    found = estimate({"a": ALL}, {"a": [LAST]}, external=True)
    assert found.needs["a"].at_most < 1 << 27 and found.stopped_s == 30 and found.needs["a"].last == 5 << 20


def test_a_host_that_never_made_one_is_judged_by_the_others_and_then_by_the_lab() -> None:
    found = estimate({"old": Sizes(1), "new": Sizes(1, GIB)}, {"old": [LAST]})
    assert found.stopped_s == 100 + 30 and found.basis == "as the last backup took here"


def test_what_nobody_measured_is_not_counted_and_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durations, "LAB", {"backup.mistral": 2, "backup.seal": 1, "start.units": 7})
    first = estimate({"a": ALL}, {})
    assert first.seconds == 3
    assert first.basis == (
        "mistral, seal as in a lab with small databases; not counted, as nobody has measured it: files, store"
    )
    some = estimate({"a": ALL}, {"a": [replace(LAST, seconds={"files": 4.0, "store": 9.0})]})
    assert some.seconds == 4 + 9 + 3
    assert some.basis == "as the last backup took here; mistral, seal as in a lab with small databases"


def test_a_size_that_nobody_knows_is_named_and_not_counted() -> None:
    found = estimate({"a": Sizes(None, 0, None)}, {})
    assert found.needs["a"].unknown == ("files", "store")
    assert "not counted, as its size is not known: files, store" in text(found)[0]


def test_configuration_that_nobody_measured_is_taken_to_be_as_large_as_last_time() -> None:
    found = estimate({"a": Sizes(None, 8 * GIB, None)}, {"a": [LAST]}).needs["a"]
    assert found.unknown == ("store",) and found.at_most >= 8 * GIB + (10 << 20)


def test_what_the_operator_reads() -> None:
    found = estimate({"a": ALL}, {"a": [LAST]})
    assert text(found, {"a": 20 * GIB}) == (
        "the backup needs at most 12.0 GiB on a (20.0 GiB free); the last one has 4101 MiB",
        "the backup takes about 6 min, 6 min of it in the stop where there is one. "
        "An estimate: as the last backup took here",
    )
    assert text(estimate({"a": Sizes(1 << 20)}, {}))[0] == "the backup needs at most 18 MiB on a"


def test_too_little_room_is_told_in_bytes() -> None:
    found = estimate({"a": ALL, "b": Sizes(0)}, {})
    assert short(found, {"a": GIB}) == {"a": found.needs["a"].at_most - GIB}
    assert short(found, {"a": 20 * GIB, "b": GIB}) == {}


sizes = st.builds(Sizes, *[st.none() | st.integers(0, 1 << 45)] * 3)
seconds = st.dictionaries(st.sampled_from(["files", "mistral", "store", "seal"]), st.floats(0, 1e6))
taken = st.builds(Earlier, st.floats(0, 1e9), st.sampled_from(["", "x"]), st.just({}), seconds)


@given(st.dictionaries(st.sampled_from("abc"), sizes), st.dictionaries(st.sampled_from("abc"), st.lists(taken)))
def test_it_is_never_less_than_what_is_to_be_kept(
    sizes: Mapping[str, Sizes], earlier: Mapping[str, list[Taken]]
) -> None:
    found = estimate(sizes, earlier)
    for name, need in found.needs.items():
        each = sizes[name]
        assert need.at_most >= sum(size or 0 for size in (each.files, each.mistral, each.store))
        assert set(need.unknown) <= {part for part in ("files", "mistral", "store") if getattr(each, part) is None}
    assert bool(found.basis) == bool(sizes)
    assert 0 <= found.stopped_s <= found.seconds + 1
    assert estimate(sizes, earlier, external=True).stopped_s <= found.stopped_s + 1
