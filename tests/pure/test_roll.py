"""Batches of deployments, the failure budget, the canary, the waits between, and who may take a lock."""

from collections.abc import Mapping

import pytest

from rollout.batches import UNGATED, Pace, rollout
from rollout.errors import HookFailed, Interrupted, Locked, StepFailed
from rollout.facts import LockFacts
from rollout.gate import Sick
from rollout.locks import DEAD_S, Me, decide
from rollout.roll import Outcome, failure, roll
from tasks.work import Result, exit_code
from tests.pure.crew import Story


def rolled(story: Story, names: str, batch: str, **pace: int) -> dict[str, str]:
    ungated = {"soak_s": 0, "gate_deadline_s": 0}
    outcomes = roll(rollout(names.split(), Pace(batch, **{**ungated, **pace})), story)
    assert [each.name for each in outcomes] == names.split()
    return {each.name: each.outcome for each in outcomes}


# The budget and the canary.


def test_the_first_failure_stops_the_roll_and_the_rest_is_named() -> None:
    story = Story("b")
    assert rolled(story, "a b c d", "1") == {
        "a": "upgraded",
        "b": "failed",
        "c": "not attempted",
        "d": "not attempted",
    }
    assert story.begun == ["a", "b"]


def test_a_batch_that_was_begun_is_finished() -> None:
    story = Story("a")
    assert rolled(story, "a b c d", "2")["b"] == "upgraded"
    assert sorted(story.begun) == ["a", "b"]


def test_a_failing_canary_stops_whatever_the_budget() -> None:
    for canary in ("a", "b"):
        outcomes = rolled(Story(canary), "a b c d", "2", max_failures=9)
        assert outcomes[canary] == "failed" and outcomes["c"] == outcomes["d"] == "not attempted"


def test_a_first_batch_that_is_the_only_one_is_no_canary() -> None:
    assert rollout(["a", "b"], Pace("100%")).canary == ()
    assert rollout(["a"], Pace("1")).canary == ()
    assert rollout(["a", "b"], Pace("1")).canary == ("a",)


def test_failures_count_over_the_whole_run() -> None:
    outcomes = rolled(Story("b", "d"), "a b c d e", "1", max_failures=1)
    assert [outcomes[name] for name in "abcde"] == ["upgraded", "failed", "upgraded", "failed", "not attempted"]
    assert rolled(Story("b", "c"), "a b c d", "1", max_failures=2)["d"] == "upgraded"


def test_an_interruption_stops_whatever_the_budget_and_the_rest_can_be_taken_up() -> None:
    story = Story("b", code=Interrupted.exit_code)
    outcomes = roll(rollout(["a", "b", "c"], Pace(max_failures=9, soak_s=0, gate_deadline_s=0)), story)
    assert [(each.outcome, each.exit_code) for each in outcomes] == [
        ("upgraded", 0),
        ("failed", 130),
        ("not attempted", 130),
    ]


def test_ctrl_c_while_the_last_step_of_a_batch_runs_begins_no_further_one() -> None:
    story = Story()
    story.stop_when = lambda: story.begun == ["a"]
    assert rolled(story, "a b", "1") == {"a": "upgraded", "b": "not attempted"}


def test_what_was_not_attempted_has_its_hosts_and_the_reason() -> None:
    last = roll(rollout(["a", "b"], UNGATED), Story("a"))[-1]
    assert last == Outcome("b", "not attempted", ("b-1",), error="the canary failed (a)")
    last = roll(rollout(["a", "b", "c"], UNGATED), Story("b"))[-1]
    assert last.error == "a deployment failed (b), --max-failures is 0"


def test_a_bug_in_one_deployment_is_no_outcome() -> None:
    class Broken(Story):
        def run(self, number: int, name: str) -> Outcome:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        roll(rollout(["a"], UNGATED), Broken())


def test_a_failure_says_step_host_hint_and_log() -> None:
    error = StepFailed("a: do x: exit code 1", "type this", host="a", step="2.2.1:x", log="last line")
    made = failure("pair", ("a", "b"), error, "r1")
    assert (made.outcome, made.failed_step, made.failed_host, made.exit_code) == ("failed", "2.2.1:x", "a", 3)
    assert (made.error, made.hint, made.log, made.run) == ("a: do x: exit code 1", "type this", "last line", "r1")
    assert failure("pair", (), Locked("x"), "r1").failed_step == ""


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        ({}, 0),
        ({"a": ("upgraded", 0)}, 0),
        ({"a": ("failed", 5), "b": ("not attempted", 0)}, 5),
        ({"a": ("unchanged", 0), "b": ("failed", 5)}, 5),
        ({"a": ("upgraded", 0), "b": ("failed", 5)}, 3),
        ({"a": ("failed", 5), "b": ("failed", 3)}, 3),
        ({"a": ("upgraded", 0), "b": ("failed", 4), "c": ("failed", 5)}, 4),
    ],
)
def test_an_unreachable_host_is_the_exit_code_only_while_nothing_was_changed(
    outcomes: dict[str, tuple[str, int]], code: int
) -> None:
    made = [Outcome(name, word, (), exit_code=each) for name, (word, each) in outcomes.items()]
    assert exit_code(Result(made)) == code


# Between batches.


def test_the_wait_between_batches_passes_before_the_next_is_begun_and_not_after_the_last() -> None:
    story = Story()
    rolled(story, "a b c", "1", wait_between_s=60)
    assert story.began_at == {"a": 0.0, "b": 60.0, "c": 120.0} and story.now == 120.0
    assert [text for _, text, _ in story.said] == [
        "waiting 60 s before batch 2 of 3: b",
        "waiting 60 s before batch 3 of 3: c",
    ]


def test_ctrl_c_ends_a_wait_at_once() -> None:
    story = Story()
    story.stop_when = lambda: story.now >= 5
    outcomes = roll(rollout(["a", "b"], Pace(wait_between_s=600)), story)
    assert story.now < 7 and story.looks == []
    assert [(each.outcome, each.exit_code) for each in outcomes] == [("upgraded", 0), ("not attempted", 130)]


def test_a_stopped_rollout_neither_waits_nor_looks() -> None:
    story = Story("a")
    rolled(story, "a b", "1", wait_between_s=60, soak_s=10, gate_deadline_s=120)
    assert story.now == 0.0 and story.looks == []


def test_the_gate_asks_after_the_wait_about_what_the_batch_upgraded_and_not_after_the_last() -> None:
    story = Story("c")
    assert rolled(story, "a b c d", "1,2,1", wait_between_s=30, soak_s=10, gate_deadline_s=60, max_failures=1) == {
        "a": "upgraded",
        "b": "upgraded",
        "c": "failed",
        "d": "upgraded",
    }
    assert {name for _, name in story.looks} == {"a", "b"}
    assert min(at for at, _ in story.looks) == 30.0
    assert story.began_at["b"] == 40.0 and story.began_at["d"] == 80.0


def test_what_does_not_get_healthy_in_time_has_failed_and_the_canary_stops_all() -> None:
    story = Story()
    story.sick["a"] = lambda now: Sick("a-1", "verify.api", "the API answers", "API does not answer on port 9101")
    outcomes = roll(rollout(["a", "b"], Pace(soak_s=10, gate_deadline_s=20, max_failures=5)), story)
    assert [each.outcome for each in outcomes] == ["failed", "not attempted"]
    first = outcomes[0]
    assert first.error == "health gate: a-1: the API answers: API does not answer on port 9101, after 20 s"
    assert (first.failed_host, first.failed_step, first.exit_code) == ("a-1", "verify.api", 3)
    assert "invoke services.status --hosts a" in first.hint and first.run == "r1"
    assert story.came_out["a"] == first and story.now <= 24
    said = [text for reason, text, _ in story.said if reason == "health"]
    assert said[1:] == ["not healthy: a-1: the API answers: API does not answer on port 9101"]


def test_a_sick_deployment_within_the_budget_lets_the_next_batch_begin() -> None:
    story = Story()
    story.sick["b"] = lambda now: Sick("b-1", "verify.units", "units", "st2api is failed")
    outcomes = rolled(story, "a b c", "1", soak_s=4, gate_deadline_s=10, max_failures=1)
    assert outcomes == {"a": "upgraded", "b": "failed", "c": "upgraded"}


def test_ctrl_c_in_the_gate_leaves_what_is_upgraded_upgraded() -> None:
    story = Story()
    story.stop_when = lambda: story.now >= 3
    outcomes = roll(rollout(["a", "b"], Pace()), story)
    assert [(each.outcome, each.exit_code) for each in outcomes] == [("upgraded", 0), ("not attempted", 130)]


# Hooks of a batch.


class Hooked(Story):
    """Batches whose hooks fail when told to: {(point, number): names}."""

    def __init__(self, failing: Mapping[tuple[str, int], tuple[str, ...]]) -> None:
        super().__init__()
        self.failing_hooks = failing
        self.after: list[dict[str, str]] = []

    def before_batch(self, number: int) -> Mapping[str, HookFailed]:
        return self._of("before-batch", number)

    def after_batch(self, number: int, outcomes: Mapping[str, Outcome]) -> Mapping[str, HookFailed]:
        self.after.append({name: each.outcome for name, each in outcomes.items()})
        return self._of("after-batch", number)

    def _of(self, point: str, number: int) -> Mapping[str, HookFailed]:
        error = HookFailed(f"hook {point}: exit code 1", "hint", step=point, leaves="st2 is fine")
        return dict.fromkeys(self.failing_hooks.get((point, number), ()), error)


def test_a_failing_hook_before_a_batch_fails_its_deployments_unbegun_and_the_others_go_on() -> None:
    story = Hooked({("before-batch", 2): ("b",)})
    assert rolled(story, "a b c d", "1,2,1", max_failures=1) == {
        "a": "upgraded",
        "b": "failed",
        "c": "upgraded",
        "d": "upgraded",
    }
    assert story.begun == ["a", "c", "d"]
    assert story.came_out["b"].error == "hook before-batch: exit code 1\n  leaves: st2 is fine"
    assert story.after == [{"a": "upgraded"}, {"b": "failed", "c": "upgraded"}, {"d": "upgraded"}]


def test_a_batch_that_no_hook_lets_begin_is_not_begun_and_its_last_hook_runs_all_the_same() -> None:
    story = Hooked({("before-batch", 1): ("a",)})
    assert rolled(story, "a b", "1") == {"a": "failed", "b": "not attempted"}
    assert story.begun == [] and story.after == [{"a": "failed"}]


def test_a_failing_hook_after_a_batch_counts_as_failures_and_keeps_what_was_measured() -> None:
    story = Hooked({("after-batch", 2): ("b", "c")})
    story.failing = ("c",)
    outcomes = rolled(story, "a b c d", "1,2,1", max_failures=1)
    assert outcomes == {"a": "upgraded", "b": "failed", "c": "failed", "d": "not attempted"}
    assert story.came_out["b"].downtime_s == 7 and "hook after-batch" in story.came_out["b"].error
    assert "c" not in story.came_out


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


def test_ones_own_run_that_is_planned_anew_is_taken_up_as_well() -> None:
    """A repair that was killed: the same command plans anew, and ends the run that it was."""
    anew = Me("op@console", "r1", abandons="r0")
    assert decide("pair", held(run="r0"), anew, False) == ("take", "token")
    assert decide("pair", held(run="r0"), anew, None)[0] == "wait"
    for lock in (held(run="r0", by="eve@console"), held(run=""), held(run="r9")):
        with pytest.raises(Locked):
            decide("pair", lock, anew, False)
    with pytest.raises(Locked):
        decide("pair", held(run=""), ME, False)


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
