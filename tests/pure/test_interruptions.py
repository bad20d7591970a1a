"""Runs that failed or whose host lost power: the same command again goes on, by the repeat class of each step."""

from typing import Any

import pytest

from rollout.errors import StepFailed
from rollout.execute import INTERRUPTIONS
from rollout.model import Phase, Repeat
from tests.pure.fleet import Fleet
from tests.pure.machine import Trouble
from tests.pure.sketch import check, key, once, packages, phase, plan, step
from tests.pure.world import WHOLE

PROBE: dict[str, Any] = {"repeat": Repeat.PROBE, "postcondition": ("true",), "repair": ("true",)}


# After a failure.


def test_what_finished_is_not_run_again_and_what_failed_is_tried_again() -> None:
    fleet = Fleet("a", "b")
    planned = plan(phase(Phase.FETCH, step("one")), phase(Phase.PACKAGES, step("two", **PROBE), once("three")))
    fleet.world.fail("b", "two", 100)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    fleet.again(planned).execute()
    assert sorted(fleet.world.did("one")) == ["a", "b"]
    assert sorted(fleet.world.did("two")) == ["a", "b", "b"]
    assert fleet.history("b", "two") == [
        ("started", 1, 0),
        ("finished", 1, 100),
        ("started", 2, 0),
        ("finished", 2, 0),
    ]


STATES = plan(
    phase(Phase.FETCH, step("fetch", "a")),
    phase(Phase.STOP, step("hold", "a"), step("stop.units", "a"), check("quiet", "a")),
    phase(Phase.MISTRAL, step("upgrade", "a")),
    phase(Phase.CONFIG, step("register", "a")),
    phase(Phase.START, step("start.units", "a")),
    phase(Phase.VERIFY, check("look", "a")),
    phase(Phase.SETTLE, step("settle", "a")),
    hosts=("a",),
)


@pytest.mark.parametrize(
    ("fails", "stops", "starts"),
    [("hold", 1, 1), ("upgrade", 2, 1), ("register", 2, 1), ("start.units", 1, 2), ("look", 1, 2)],
)
def test_a_run_that_is_taken_up_brings_about_again_what_it_relies_on(fails: str, stops: int, starts: int) -> None:
    """Somebody may have started st2 since (a reboot, a colleague), or stopped it."""
    fleet = Fleet("a")
    fleet.world.fail("a", fails, 1)
    with pytest.raises(StepFailed):
        fleet.run(STATES).execute()
    fleet.again(STATES).execute()
    assert len(fleet.world.did("fetch")) == len(fleet.world.did("settle")) == 1
    assert len(fleet.world.did("stop.units")) == stops and len(fleet.world.did("start.units")) == starts
    if fails == "upgrade":
        assert [each.key for each in fleet.world.ran][-8:][:4] == [
            key(n) for n in ("hold", "stop.units", "quiet", "upgrade")
        ]


def test_what_is_tried_again_is_repaired_first() -> None:
    fleet = Fleet("a")
    planned = packages(step("one", "a", **PROBE), hosts=("a",))
    fleet.world.fail("a", "one", 100)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    assert fleet.world.did("one", "repair") == []
    fleet.again(planned).execute()
    assert [each.part for each in fleet.world.ran] == ["do", "repair", "do", "prove"]


def test_a_check_that_was_passed_is_asked_again_when_the_run_is_taken_up() -> None:
    fleet = Fleet("a")
    planned = packages(check("quiet", "a"), step("one", "a"), hosts=("a",))
    fleet.world.fail("a", "one", 1)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    fleet.world.fail("a", "quiet", 1)
    with pytest.raises(StepFailed) as caught:
        fleet.again(planned).execute()
    assert caught.value.step == key("quiet")
    assert len(fleet.world.did("one")) == 1
    fleet.again(planned).execute()
    assert len(fleet.world.did("quiet")) == 3


def test_the_checks_of_other_hosts_are_asked_again_too() -> None:
    fleet = Fleet("a", "b")
    planned = packages(check("quiet"), once("upgrade"))
    fleet.world.fail("a", "upgrade", 1)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    fleet.world.fail("b", "quiet", 1)
    with pytest.raises(StepFailed) as caught:
        fleet.again(planned).execute()
    assert (caught.value.host, caught.value.step) == ("b", key("quiet"))
    assert fleet.world.did("upgrade") == ["a"]


# A host loses power, and comes back while the controller waits.


@pytest.mark.parametrize("when", ["before", "started", "half", "acted"])
def test_a_safe_step_that_was_cut_off_is_run_again(when: str) -> None:
    fleet = Fleet("a")
    fleet.at("a", when, key("one"), Trouble.POWER)
    fleet.run(packages(step("one", "a"), step("two", "a"), hosts=("a",))).execute()
    assert fleet.world.effects["a", key("one")] == WHOLE
    assert fleet.history("a", "one")[-1] == ("finished", 1 if when == "before" else 2, 0)
    assert fleet.world.did("two") == ["a"]


def test_a_step_that_finished_before_the_power_went_is_not_run_again() -> None:
    fleet = Fleet("a")
    fleet.at("a", "finished", key("one"), Trouble.POWER)
    fleet.run(packages(step("one", "a"), step("two", "a"), hosts=("a",))).execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("two") == ["a"]


def test_a_probed_step_that_was_done_is_not_run_again() -> None:
    fleet = Fleet("a")
    fleet.at("a", "acted", key("one"), Trouble.POWER)
    fleet.run(packages(step("one", "a", **PROBE), hosts=("a",))).execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("one", "repair") == []
    last = fleet.records("a")[-2]
    assert (last.event, last.attempt, last.code, last.data["proved"]) == ("finished", 2, 0, True)
    assert fleet.told("step-finished")[-1] == ("step-finished", "a", key("one"))
    assert next(e for e in fleet.events if e.kind == "step-finished").data["proved"] is True


@pytest.mark.parametrize("when", ["started", "half"])
def test_a_probed_step_that_was_not_done_is_repaired_and_run_again(when: str) -> None:
    fleet = Fleet("a")
    fleet.at("a", when, key("one"), Trouble.POWER)
    fleet.run(packages(step("one", "a", **PROBE), hosts=("a",))).execute()
    assert [each.part for each in fleet.world.ran][-3:] == ["repair", "do", "prove"]
    assert fleet.world.effects["a", key("one")] == WHOLE


def test_after_a_reboot_the_checks_of_the_phase_are_asked_again_on_all_hosts() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("upgrade"), Trouble.POWER)
    fleet.run(packages(check("quiet"), once("upgrade"))).execute()
    assert sorted(fleet.world.did("quiet")) == ["a", "a", "b", "b"]
    assert fleet.world.did("upgrade") == ["a"]
    last_quiet = max(i for i, each in enumerate(fleet.world.ran) if each.key == key("quiet"))
    assert fleet.world.ran[last_quiet + 1].key == key("upgrade")


def test_a_host_that_is_cut_off_again_and_again_is_given_up() -> None:
    fleet = Fleet("a")
    for attempt in range(1, INTERRUPTIONS + 1):
        fleet.at("a", "half", key("one"), Trouble.POWER, attempt)
    with pytest.raises(StepFailed, match="cut off") as caught:
        fleet.run(packages(step("one", "a"), hosts=("a",))).execute()
    assert "same command again" in caught.value.hint
    assert fleet.told("step-interrupted") == [("step-interrupted", "a", "packages")] * INTERRUPTIONS


# The runner on a host is killed, and nothing else.


def test_a_command_that_goes_on_alone_is_waited_for_and_then_proved() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("one"), Trouble.ALONE)
    fleet.run(packages(step("one", "a", **PROBE), step("two", "a"), hosts=("a",))).execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("one", "repair") == []
    assert fleet.world.did("two") == ["a"]
    assert fleet.told("step-alone", "step-interrupted") == [
        ("step-alone", "a", "packages"),
        ("step-interrupted", "a", "packages"),
    ]


def test_a_safe_command_that_goes_on_alone_ends_before_it_is_run_again() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("one"), Trouble.ALONE)
    fleet.run(packages(step("one", "a"), hosts=("a",))).execute()
    assert [(each.key, each.attempt) for each in fleet.world.ran] == [(key("one"), 1), (key("one"), 2)]
    assert fleet.world.effects["a", key("one")] == WHOLE


# A host is shut down in an orderly way.


def test_a_host_that_shuts_down_lets_the_step_end_and_begins_the_next_one_when_it_is_back() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("one"), Trouble.SHUTDOWN)
    fleet.run(packages(step("one", "a"), step("two", "a"), hosts=("a",))).execute()
    assert fleet.history("a", "one") == [("started", 1, 0), ("finished", 1, 0)]
    assert fleet.world.did("one") == ["a"] and fleet.world.did("two") == ["a"]
    assert fleet.told("step-halted") == [("step-halted", "a", key("two"))]


def test_a_step_that_fails_while_its_host_shuts_down_counts_as_interrupted() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("one"), Trouble.SHUTDOWN)
    fleet.world.fail("a", "one", 143)
    fleet.run(packages(step("one", "a", **PROBE), hosts=("a",))).execute()
    assert fleet.history("a", "one") == [("started", 1, 0), ("started", 2, 0), ("finished", 2, 0)]
    assert [each.part for each in fleet.world.ran] == ["do", "prove", "repair", "do", "prove"]
