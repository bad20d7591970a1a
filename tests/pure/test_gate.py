"""The health gate: which checks it asks, and how long a deployment must be well, without a break, by when."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

import migrations
from rollout import plan as planner
from rollout.errors import InventoryError
from rollout.gate import LOOK_EVERY_S, Gate, Sick, probes
from rollout.model import Kind, Phase
from tasks.crew import Crew
from tests.pure.boxes import box, by_name, deployment, yum_box
from tests.pure.sketch import check, phase, plan, step

Health = Callable[[float], bool]
ILL = Sick("a-1", "verify.units", "every unit runs", "st2api is failed")


def refused(soak: int, deadline: int, **well: Health) -> tuple[dict[str, Sick | None], float, list[str]]:
    """What the gate refuses of deployments that are WELL at a time, how long it took, what was said."""
    now, said = [0.0], list[str]()

    def nap(seconds: float) -> None:
        now[0] += seconds

    gate = Gate(
        soak,
        deadline,
        lambda name: None if well[name](now[0]) else ILL,
        lambda: now[0],
        nap,
        lambda: False,
        lambda name, words: said.append(f"{name}: {words}"),
    )
    return gate.refused(well), now[0], said


def always(now: float) -> bool:
    return True


def test_who_is_well_all_the_time_is_through_after_the_soak() -> None:
    assert refused(10, 120, a=always) == ({}, 10.0, [])
    assert refused(0, 120, a=always) == ({}, 0.0, [])


def test_a_break_begins_the_soak_anew_and_is_said_once() -> None:
    found, took, said = refused(10, 120, a=lambda now: not 6 <= now < 10)
    assert (found, took) == ({}, 20.0)
    assert said == ["a: a-1: every unit runs: st2api is failed"]


def test_who_is_never_well_long_enough_is_refused_at_the_deadline_with_the_last_words() -> None:
    found, took, _ = refused(10, 60, a=lambda now: now % 8 < 6)
    assert found == {"a": ILL} and 60 < took <= 60 + LOOK_EVERY_S


def test_well_too_late_is_refused() -> None:
    assert refused(30, 40, a=lambda now: now > 20)[0] == {"a": ILL}
    assert refused(50, 40, a=always)[0] == {"a": None}


def test_well_at_last_but_not_for_long_enough_within_the_deadline_is_refused() -> None:
    # Found well at 8, looked at again at 20 and 22.
    assert refused(14, 21, a=lambda now: now >= 7)[0] == {"a": ILL}
    assert refused(13, 21, a=lambda now: now >= 7)[0] == {}


def test_the_first_must_still_be_well_when_the_last_one_is() -> None:
    found, took, _ = refused(10, 60, a=lambda now: now < 20, b=lambda now: now > 16)
    assert found == {"a": ILL} and took > 60
    assert refused(10, 60, a=always, b=lambda now: now > 16)[0] == {}


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 20), st.integers(21, 60))
def test_through_means_well_at_every_look_of_the_last_soak_seconds(days: Sequence[bool], soak: int, late: int) -> None:
    def well(now: float) -> bool:
        return days[min(int(now / LOOK_EVERY_S), len(days) - 1)]

    found, took, _ = refused(soak, late, a=well)
    looks = [number * LOOK_EVERY_S for number in range(int(took / LOOK_EVERY_S) + 1)]
    # The look that notices the deadline may come after it; what it sees counts up to the deadline.
    good = [
        at
        for at in looks
        if any(min(at, late) - s >= soak and all(well(look) for look in looks if s <= look <= at) for s in looks)
    ]
    assert bool(found) == (not good)
    assert found or took == good[0]


def test_the_gate_asks_what_only_looks() -> None:
    facts = by_name(box("a", "2.0.1"), yum_box("b", "2.0.1"))
    made = planner.plan(deployment("pair", "a", "b"), facts, "2.2.1", migrations.ALL)
    asked = probes(made)
    assert {each.id for each in asked} == {"verify.packages", "verify.units", "verify.api", "verify.mistral"}
    assert all(each.kind is Kind.CHECK and each.argv[0] == "stormlift-host" for each in asked)


def test_the_gate_asks_about_the_last_hop_and_about_nothing_where_nothing_was_verified() -> None:
    first = phase(Phase.VERIFY, check("old", argv=("stormlift-host", "installed", "st2=1")), hop="2.1.1")
    last = phase(
        Phase.VERIFY,
        check("new", argv=("stormlift-host", "installed", "st2=2")),
        check("acts", argv=("stormlift-host", "core-local")),
        check("other", argv=("curl", "localhost")),
        step("changes", argv=("stormlift-host", "release")),
    )
    assert [each.id for each in probes(plan(first, last))] == ["new"]
    assert probes(plan()) == ()


def test_whatever_keeps_a_look_from_an_answer_is_what_is_wrong() -> None:
    """An error on the way ends no rollout: what came out before it must still be told."""

    class Host:
        def probe(self, *words: str) -> str:
            raise InventoryError("known_hosts: cannot be read", "")

    looked = check("verify.units", "a", argv=("stormlift-host", "serving", "st2api"))
    work = SimpleNamespace(plan=plan(phase(Phase.VERIFY, looked), hosts=("a",)))
    sitting = SimpleNamespace(fleet={"a": Host()})
    crew = Crew(cast(Any, sitting), cast(Any, {"one": work}), cast(Any, None), cast(Any, None), "upgrade", {})
    sick = crew.look("one")
    assert sick and (sick.host, sick.words) == ("a", "known_hosts: cannot be read")
