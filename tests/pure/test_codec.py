"""Plans, events and records as JSON: what goes out comes back, what is wrong is named by its place."""

import json
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.codec import Malformed, canonical, decode, digest, encode
from rollout.model import Before, DeploymentPlan, Finding, Phase, PhasePlan, Settle, Severity, Step, UnitState

words = st.text(max_size=8)
argvs = st.lists(words, max_size=3).map(tuple)
finite = st.floats(allow_nan=False, allow_infinity=False)
settles = st.builds(Settle, argvs, finite, st.integers(), st.integers())
steps = st.builds(
    Step, words, words, settle=st.none() | settles, argv=argvs, postcondition=argvs, repair=argvs, releases=argvs, hosts=argvs,
    phase=..., scope=..., kind=..., repeat=..., timeout=..., needs=words, why=words, source=words,
)  # fmt: skip
phases = st.builds(PhasePlan, words, st.sampled_from(Phase), st.lists(steps, max_size=2).map(tuple))
befores = st.builds(Before, st.dictionaries(words, st.builds(UnitState, words, words)), st.dictionaries(words, words))
plans = st.builds(
    DeploymentPlan, words, words, argvs, words, words, st.lists(phases, max_size=2).map(tuple), notes=argvs,
    before=st.dictionaries(words, befores, max_size=2), findings=st.lists(st.builds(Finding), max_size=2).map(tuple),
)  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(plans)
def test_any_plan_comes_back(plan: DeploymentPlan) -> None:
    assert decode(DeploymentPlan, json.loads(canonical(plan))) == plan


@given(steps)
def test_any_step_comes_back(step: Step) -> None:
    assert decode(Step, json.loads(json.dumps(encode(step)))) == step


@settings(max_examples=15, deadline=None)
@given(plans)
def test_the_hash_is_that_of_the_content(plan: DeploymentPlan) -> None:
    again = decode(DeploymentPlan, json.loads(json.dumps(encode(plan), indent=3, sort_keys=False)))
    assert digest(again) == digest(plan)


@given(st.dictionaries(words, st.integers(), max_size=5))
def test_the_order_of_keys_does_not_count(data: dict[str, int]) -> None:
    assert canonical(data) == canonical(dict(reversed(data.items())))


@given(words)
def test_the_canonical_text_is_one_line_of_ascii(word: str) -> None:
    text = canonical(Finding(word, Severity.NOTE, word, word, word))
    assert text.isascii() and "\n" not in text


def test_a_whole_number_is_a_float_where_one_is_wanted() -> None:
    settle = decode(Settle, {"probe": ["x"], "every": 1, "tries": 3})
    assert settle == Settle(("x",), 1.0, 3) and isinstance(settle.every, float)


@dataclass(frozen=True)
class Sample:
    """Shapes that the model uses."""

    name: str
    count: int = 0
    flag: bool = False
    phase: Phase = Phase.STOP
    before: Before | None = None
    rest: dict[str, Any] | None = None


@pytest.mark.parametrize(
    ("data", "place"),
    [
        ({"name": 3}, "$.name: expected str, found int"),
        ({"name": "x", "count": "3"}, "$.count: expected int, found str"),
        ({"name": "x", "count": True}, "$.count: expected int, found bool"),
        ({"name": "x", "flag": 1}, "$.flag: expected bool, found int"),
        ({"name": "x", "colour": "red"}, "$: unknown key 'colour'"),
        ({"name": "x", "phase": "lunch"}, "$.phase: 'lunch' is none of preflight, fetch"),
        ({"name": "x", "before": {"units": []}}, "$.before.units: expected dict, found list"),
        ({"name": "x", "before": {"units": {"st2api": {"active": 1}}}}, "$.before.units.st2api.active: expected str"),
        ({}, "name"),
        ([], "$: expected dict, found list"),
        (None, "$: expected dict, found NoneType"),
    ],
)
def test_a_mistake_is_named_by_its_place(data: Any, place: str) -> None:
    with pytest.raises(Malformed) as caught:
        decode(Sample, data)
    assert place in str(caught.value)


def test_a_mistake_deep_in_a_plan_is_named_by_its_place() -> None:
    plan = DeploymentPlan(
        "p", "upgrade", ("a",), "1", "2", (PhasePlan("2", Phase.STOP, (Step("s", "t", Phase.STOP),)),)
    )
    data = encode(plan)
    data["phases"][0]["steps"][0]["repeat"] = "often"
    with pytest.raises(Malformed, match=r"\$\.phases\[0\]\.steps\[0\]\.repeat: 'often'"):
        decode(DeploymentPlan, data)
