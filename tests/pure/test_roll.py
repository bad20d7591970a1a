"""Batches of deployments, the failure budget, and who may take a lock."""

import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.errors import Interrupted, Locked, StepFailed, UsageError
from rollout.facts import LockFacts
from rollout.locks import DEAD_S, Me, decide
from rollout.roll import Outcome, batches, failure, roll

# Batches.

sizes = st.integers(1, 500).map(str)
shares = st.integers(1, 100).map("{}%".format)
ramps = st.lists(sizes | shares, min_size=1, max_size=4).map(",".join)


@given(st.integers(0, 500), ramps)
def test_batches_add_up_to_all_and_none_is_empty(count: int, spec: str) -> None:
    made = batches(count, spec)
    assert sum(made) == count and all(size > 0 for size in made)


@pytest.mark.parametrize(
    ("count", "spec", "expected"),
    [
        (5, "1", [1, 1, 1, 1, 1]),
        (5, "2", [2, 2, 1]),
        (8, "25%", [2, 2, 2, 2]),
        (8, "1,25%,100%", [1, 2, 5]),
        (10, "1, 2 ,3", [1, 2, 3, 3, 1]),
        (3, "1%", [1, 1, 1]),
        (3, "100%", [3]),
        (3, "99", [3]),
        (0, "1", []),
        (20, "1,10%", [1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1]),
    ],
)
def test_a_ramp_repeats_its_last_size(count: int, spec: str, expected: list[int]) -> None:
    assert batches(count, spec) == expected


@pytest.mark.parametrize("spec", ["", "0", "0%", "101%", "-1", "1.5", "x", "1,,2", "1,", "%", "²", "\u0661"])
def test_what_is_no_batch_is_refused(spec: str) -> None:
    with pytest.raises(UsageError) as caught:
        batches(5, spec)
    assert "1,25%,100%" in caught.value.hint


def test_what_is_no_batch_is_refused_even_when_there_is_nothing_to_do() -> None:
    with pytest.raises(UsageError):
        batches(0, "1,x")


# The roll.


class Story:
    """Deployments that fail when told to; `seen` is who was begun, in order."""

    def __init__(self, *failing: str, code: int = 3) -> None:
        self.failing = failing
        self.code = code
        self.seen: list[str] = []
        self._lock = threading.Lock()

    def __call__(self, name: str) -> Outcome:
        """Run one deployment."""
        with self._lock:
            self.seen.append(name)
        failed = name in self.failing
        return Outcome(name, "failed" if failed else "upgraded", (f"{name}-1",), exit_code=self.code if failed else 0)


def rolled(story: Story, names: str, batch: str, max_failures: int = 0) -> dict[str, str]:
    outcomes = roll(names.split(), batch, max_failures, story, lambda name: (f"{name}-1",))
    assert [each.name for each in outcomes] == names.split()
    return {each.name: each.outcome for each in outcomes}


def test_the_first_failure_stops_the_roll_and_the_rest_is_named() -> None:
    story = Story("b")
    assert rolled(story, "a b c d", "1") == {
        "a": "upgraded",
        "b": "failed",
        "c": "not attempted",
        "d": "not attempted",
    }
    assert story.seen == ["a", "b"]


def test_a_batch_that_was_begun_is_finished() -> None:
    story = Story("a")
    assert rolled(story, "a b c d", "2")["b"] == "upgraded"
    assert sorted(story.seen) == ["a", "b"]


def test_failures_count_over_the_whole_run() -> None:
    story = Story("a", "c")
    outcomes = rolled(story, "a b c d e", "1", max_failures=1)
    assert [outcomes[name] for name in "abcde"] == ["failed", "upgraded", "failed", "not attempted", "not attempted"]
    assert rolled(Story("a", "c"), "a b c d", "1", max_failures=2)["d"] == "upgraded"


def test_an_interruption_stops_whatever_the_budget() -> None:
    story = Story("a", code=Interrupted.exit_code)
    assert rolled(story, "a b", "1", max_failures=9)["b"] == "not attempted"


def test_what_was_not_attempted_has_its_hosts_and_no_error() -> None:
    last = roll(["a", "b"], "1", 0, Story("a"), lambda name: (f"{name}-1", f"{name}-2"))[-1]
    assert last == Outcome("b", "not attempted", ("b-1", "b-2"))


def test_a_bug_in_one_deployment_is_no_outcome() -> None:
    def broken(name: str) -> Outcome:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll(["a"], "1", 0, broken, lambda name: ())


def test_a_failure_says_step_host_hint_and_log() -> None:
    error = StepFailed("a: do x: exit code 1", "type this", host="a", step="2.2.1:x", log="last line")
    made = failure("pair", ("a", "b"), error, "r1")
    assert (made.outcome, made.failed_step, made.failed_host, made.exit_code) == ("failed", "2.2.1:x", "a", 3)
    assert (made.error, made.hint, made.log, made.run) == ("a: do x: exit code 1", "type this", "last line", "r1")
    assert failure("pair", (), Locked("x"), "r1").failed_step == ""


# Who may take a lock.

ME = Me("op@console", "r1")


def held(by: str = "op@console", run: str = "r1", age: int = 3) -> LockFacts:
    return LockFacts(run, by, "upgrade", 7, age, "token")


@pytest.mark.parametrize("here", [True, False, None])
def test_a_free_lock_is_taken(here: bool | None) -> None:
    assert decide("pair", None, ME, here) == ("take", "")


@pytest.mark.parametrize(
    ("lock", "here", "what"),
    [
        (held(), False, "take"),
        (held(age=DEAD_S), True, "take"),
        (held(age=DEAD_S), None, "take"),
        (held(age=DEAD_S - 1), None, "wait"),
        (held(by="op@laptop"), None, "wait"),
        (held(by="op@laptop", age=DEAD_S), None, "take"),
    ],
)
def test_ones_own_run_is_taken_up_when_its_controller_is_dead(lock: LockFacts, here: bool | None, what: str) -> None:
    said, value = decide("pair", lock, ME, here)
    assert said == what
    assert value == "token" if what == "take" else value


@pytest.mark.parametrize(
    ("lock", "here", "hint"),
    [
        (held(), True, "locks.show"),
        (held(by="eve@laptop", age=3), None, "locks.show"),
        (held(by="eve@laptop", age=DEAD_S), None, "locks.release"),
        (held(run="r0", age=3), True, "locks.show"),
        (held(run="r0", age=3), False, "locks.release"),
        (held(run="r0", age=DEAD_S), None, "locks.release"),
    ],
)
def test_anothers_lock_is_left_alone_and_says_whose_it_is(lock: LockFacts, here: bool | None, hint: str) -> None:
    with pytest.raises(Locked) as caught:
        decide("pair", lock, ME, here)
    assert lock.by in caught.value.message and lock.run in caught.value.message and "upgrade" in caught.value.message
    assert hint in caught.value.hint and "--hosts pair" in caught.value.hint
