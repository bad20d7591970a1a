"""Rollouts as data: how batches are cut, and that the words of the plan are what rollout.roll does."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.batches import Pace, Rollout, rollout, sizes
from rollout.codec import decode, encode
from rollout.errors import UsageError
from rollout.model import Hook, Phase, PhasePlan
from rollout.plan import Plan, whole
from rollout.roll import roll
from rollout.text import MOST_NAMES, listed, plan_text, rollout_text
from tests.pure.crew import Story
from tests.pure.sketch import phase, plan, step

# How many at a time.

numbers = st.integers(1, 500).map(str)
shares = st.integers(1, 100).map("{}%".format)
ramps = st.lists(numbers | shares, min_size=1, max_size=4).map(",".join)


@given(st.integers(0, 500), ramps)
def test_batches_add_up_to_all_and_none_is_empty(count: int, spec: str) -> None:
    made = sizes(count, spec)
    assert sum(made) == count and all(size > 0 for size in made)
    names = [f"d{number}" for number in range(count)]
    rolled = rollout(names, Pace(spec))
    assert list(rolled.names) == names and [len(batch) for batch in rolled.batches] == made


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
    assert sizes(count, spec) == expected


@pytest.mark.parametrize(
    "spec", ["9" * 5000, "9" * 5000 + "%", "", "0", "0%", "101%", "-1", "1.5", "x", "1,,2", "1,", "%", "²", "\u0661"]
)
def test_what_is_no_batch_is_refused_even_when_there_is_nothing_to_do(spec: str) -> None:
    for refused in (Pace(spec).check, lambda: rollout([], Pace(spec))):
        with pytest.raises(UsageError) as caught:
            refused()
        assert "1,25%,100%" in caught.value.hint


def test_a_deadline_in_which_nobody_can_get_healthy_is_refused() -> None:
    with pytest.raises(UsageError, match="--gate-deadline 10 leaves no time to be healthy for --soak 10"):
        Pace(soak_s=10, gate_deadline_s=10).check()
    Pace(soak_s=10, gate_deadline_s=11).check()
    Pace(soak_s=10, gate_deadline_s=0).check()


# What the plan says of it.


def text(names: str, **pace: object) -> list[str]:
    return rollout_text(rollout(names.split(), Pace(**pace))).splitlines()  # type: ignore[arg-type]


def test_the_words_name_the_deployments_of_this_run() -> None:
    assert text("apt1 yum1 pair web", batch="1,2,1", max_failures=1, wait_between_s=30) == [
        "rollout: 4 deployments in 3 batches",
        "  batch 1, the canary: apt1",
        "  batch 2: yum1, pair",
        "  batch 3: web",
        "  if apt1 fails, yum1, pair and web are not begun, however many failures are allowed",
        "  failures allowed over the whole run: 1 deployment (--max-failures); with more of them no further batch is begun, "
        "and one that is begun goes on to its end",
        "  for example: if yum1 and pair fail, web is not begun",
        "  before each further batch: 30 s are waited; then what the batch before upgraded must be healthy for 10 s without "
        "a break, within 120 s, or it counts as failed",
    ]


def test_one_deployment_has_nothing_to_say_and_one_batch_has_no_canary() -> None:
    assert text("apt1") == [] and text("") == []
    assert text("apt1 yum1", batch="100%") == [
        "rollout: 2 deployments in one batch, all at the same time: apt1 and yum1"
    ]


def test_the_hooks_are_shown_as_they_will_run() -> None:
    hook = Hook("before-host", ("lb", "drain", "a b"), 30, "prod", ("apt1",))
    assert rollout_text(rollout(["apt1"], Pace(), [hook])).splitlines() == [
        "hooks, run on this machine:",
        "  before-host of prod, at most 30 s: lb drain 'a b'",
    ]


def test_a_rollout_is_part_of_the_plan_its_text_its_json_and_its_hash() -> None:
    todo, done = plan(phase_of_one(), name="a"), plan(name="done")
    other = plan(phase_of_one(), name="b")
    hooks = [Hook("before-run", ("x",), 60, "prod", ("a", "done", "z")), Hook("after-run", ("x",), 60, "old", ("z",))]
    planned = whole([todo, done, other], Pace(max_failures=1), hooks=hooks)
    assert planned.rollout.batches == (("a",), ("b",)) and planned.rollout.canary == ("a",)
    assert [(hook.point, hook.deployments) for hook in planned.rollout.hooks] == [("before-run", ("a",))]
    assert rollout_text(planned.rollout) in plan_text(planned)
    assert planned.to_json()["rollout"] == encode(planned.rollout)
    assert planned.hash != whole([todo, done, other], Pace(), hooks=hooks).hash
    assert planned.hash != whole([todo, done, other], Pace(max_failures=1)).hash
    assert decode(Plan, encode(planned)) == planned


def phase_of_one() -> PhasePlan:
    return phase(Phase.PACKAGES, step("one"))


# The words hold of what is done.

paces = st.builds(Pace, batch=ramps, max_failures=st.integers(0, 6), soak_s=st.just(0), gate_deadline_s=st.just(0))
deployments = st.integers(2, 12).map(lambda count: [f"d{number}" for number in range(count)])
_CANARY = re.compile(r"if (?:one of )?(?P<failing>.+?) fails, (?P<rest>.+) (?:is|are) not begun, however")
_EXAMPLE = re.compile(r"for example: if (?P<failing>.+) fails?, (?P<rest>.+) (?:is|are) not begun")


def names(words: str) -> list[str]:
    return re.findall(r"\bd\d+\b", words)


def not_begun(rolled: Rollout, *failing: str) -> list[str]:
    return [each.name for each in roll(rolled, Story(*failing)) if each.outcome == "not attempted"]


def sentence_holds(words: str, given_up: list[str]) -> bool:
    """WORDS name GIVEN_UP, or as many of them as fit and how many more there are."""
    more = re.search(r" and (\d+) more", words)
    named = names(words)
    return given_up[: len(named)] == named and len(given_up) - len(named) == (int(more[1]) if more else 0)


@given(deployments, paces)
def test_the_words_about_the_canary_hold(who: list[str], pace: Pace) -> None:
    rolled = rollout(who, pace)
    said = _CANARY.search(rollout_text(rolled))
    if len(rolled.batches) == 1:
        assert said is None
        return
    assert said is not None
    for canary in rolled.canary:
        assert sentence_holds(said["rest"], not_begun(rolled, canary))
    assert sentence_holds(said["failing"], list(rolled.batches[0]))


@given(deployments, paces)
def test_the_example_holds_and_one_failure_less_would_not_do(who: list[str], pace: Pace) -> None:
    rolled = rollout(who, pace)
    said = _EXAMPLE.search(rollout_text(rolled))
    if said is None:
        behind = [name for name in who if name not in rolled.canary]
        assert not_begun(rolled, *behind) == []
        return
    example = rolled.example()
    assert example is not None and sentence_holds(said["failing"], list(example.failing))
    assert sentence_holds(said["rest"], not_begun(rolled, *example.failing))
    assert len(example.failing) == pace.max_failures + 1 and not set(example.failing) & set(rolled.canary)
    for spared in example.failing:
        assert not_begun(rolled, *(name for name in example.failing if name != spared)) == []


@given(deployments, paces, st.data())
def test_whatever_fails_no_batch_is_begun_after_too_many_and_every_one_before(
    who: list[str], pace: Pace, data: st.DataObject
) -> None:
    rolled, failing = rollout(who, pace), data.draw(st.sets(st.sampled_from(who)))
    failed, stopped = 0, False
    left: list[str] = []
    for number, batch in enumerate(rolled.batches):
        if stopped:
            left += batch
            continue
        failed += len(failing & set(batch))
        stopped = failed > pace.max_failures or (number == 0 and bool(failing & set(batch)))
    assert not_begun(rolled, *failing) == left


def test_long_lists_are_cut_and_say_by_how_many() -> None:
    many = tuple(f"d{number}" for number in range(MOST_NAMES + 4))
    assert listed(many).endswith("d6 and 5 more") and len(names(listed(many))) == MOST_NAMES - 1
    assert listed(many[:2]) == "d0 and d1" and listed(many[:1]) == "d0"
