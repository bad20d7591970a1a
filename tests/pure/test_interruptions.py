"""Runs that are cut off: by power, by the link, by kill -9, by a second operator. The same command again goes on."""

from typing import Any

import pytest

from rollout.errors import LinkLost, StepFailed, Undecided
from rollout.execute import INTERRUPTIONS
from rollout.model import Phase, Repeat
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Trouble
from tests.pure.sketch import check, key, once, packages, phase, plan, step
from tests.pure.world import WHOLE

PROBE: dict[str, Any] = {"repeat": Repeat.PROBE, "postcondition": ("true",), "repair": ("true",)}
ASK: dict[str, Any] = {"repeat": Repeat.ASK}


def history(fleet: Fleet, host: str, name: str) -> list[tuple[str, int, int]]:
    """Event, attempt and code of what the journal of HOST says of the step NAME."""
    return [(r.event, r.attempt, r.code) for r in fleet.records(host) if r.step == key(name)]


# After a failure.


def test_what_finished_is_not_run_again_and_what_failed_is_tried_again() -> None:
    fleet = Fleet("a", "b")
    planned = plan(phase(Phase.STOP, step("one")), phase(Phase.PACKAGES, step("two", **PROBE), once("three")))
    fleet.world.fail("b", "two", 100)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    fleet.again(planned).execute()
    assert sorted(fleet.world.did("one")) == ["a", "b"]
    assert sorted(fleet.world.did("two")) == ["a", "b", "b"]
    assert history(fleet, "b", "two") == [
        ("started", 1, 0),
        ("finished", 1, 100),
        ("started", 2, 0),
        ("finished", 2, 0),
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
    assert history(fleet, "a", "one")[-1] == ("finished", 1 if when == "before" else 2, 0)
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


# A step that only the operator can settle.


def cut_off_and_asked(fleet: Fleet, planned: Any) -> Undecided:
    with pytest.raises(Undecided) as caught:
        fleet.run(planned).execute()
    return caught.value


def test_a_step_that_cannot_be_told_is_asked_about() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("drop"), Trouble.POWER)
    planned = packages(once("drop", **ASK), step("next"))
    error = cut_off_and_asked(fleet, planned)
    assert (error.host, error.step) == ("a", key("drop"))
    assert "do drop was interrupted" in error.message
    assert "--settle drop=done" in error.hint and "--settle drop=again" in error.hint and "r1" in error.hint
    with pytest.raises(Undecided):
        fleet.again(planned).execute()
    assert fleet.world.did("drop") == [] and fleet.world.did("next") == []


def test_answered_again_it_runs_again() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("drop"), Trouble.POWER)
    planned = packages(once("drop", **ASK), step("next"))
    cut_off_and_asked(fleet, planned)
    fleet.again(planned, answers={"drop": "again"}).execute()
    assert fleet.world.did("drop") == ["a"]
    assert history(fleet, "a", "drop") == [("started", 1, 0), ("started", 2, 0), ("finished", 2, 0)]


def test_answered_done_it_is_done_and_the_journal_says_who_said_so() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("drop"), Trouble.POWER)
    planned = packages(step("drop", "a", **ASK), step("next"))
    cut_off_and_asked(fleet, planned)
    fleet.again(planned, answers={"drop": "done"}).execute()
    assert fleet.world.did("drop") == [] and sorted(fleet.world.did("next")) == ["a", "b"]
    settled = next(r for r in fleet.records("a") if r.step == key("drop") and r.event == "finished")
    assert (settled.code, settled.data) == (0, {"settled_by": "op@console"})


def test_answered_done_for_the_deployment_every_host_remembers_it() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("drop"), Trouble.POWER)
    planned = packages(once("drop", **ASK))
    cut_off_and_asked(fleet, planned)
    fleet.again(planned, answers={"drop": "done"}).execute()
    for host in ("a", "b"):
        assert history(fleet, host, "drop")[-1][0] == "finished", host


def test_nothing_runs_anywhere_while_a_question_is_open() -> None:
    fleet = Fleet("a", "b")
    fleet.at("b", "half", key("one"), Trouble.POWER)
    planned = packages(step("one", **ASK), step("two"))
    cut_off_and_asked(fleet, planned)
    ran = len(fleet.world.ran)
    with pytest.raises(Undecided):
        fleet.again(planned).execute()
    assert len(fleet.world.ran) == ran


# The link or the controller goes; the host does not.


@pytest.mark.parametrize("when", ["before", "started", "half", "acted", "finished"])
def test_a_step_in_flight_is_picked_up_and_not_started_again(when: str) -> None:
    fleet = Fleet("a")
    fleet.at("a", when, key("one"), Trouble.LOST)
    planned = packages(step("one", "a"), step("two", "a"), step("three", "a"), hosts=("a",))
    with pytest.raises(LinkLost):
        fleet.run(planned).execute()
    fleet.again(planned).execute()
    assert [fleet.world.did(each) for each in ("one", "two", "three")] == [["a"]] * 3


@pytest.mark.parametrize("when", ["before", "started", "half", "acted", "finished"])
def test_what_went_on_alone_is_read_from_the_journal(when: str) -> None:
    fleet = Fleet("a")
    fleet.at("a", when, key("one"), Trouble.KILLED)
    planned = packages(step("one", "a"), step("two", "a"), hosts=("a",))
    with pytest.raises(ControllerDied):
        fleet.run(planned).execute()
    fleet.go_on()
    fleet.again(planned).execute()
    assert [fleet.world.did(each) for each in ("one", "two")] == [["a"]] * 2


def test_the_downtime_of_a_run_that_was_taken_up_counts_from_the_first_stop() -> None:
    fleet = Fleet("a")
    fleet.world.seconds = {"stop.units": 5.0, "packages": 60.0, "start.units": 7.0}
    names = ((Phase.STOP, "stop.units"), (Phase.PACKAGES, "packages"), (Phase.START, "start.units"))
    planned = plan(*(phase(name, step(each, "a")) for name, each in names), hosts=("a",))
    fleet.world.fail("a", "packages", 1)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    fleet.clock.sleep(3600.0)
    run = fleet.again(planned)
    run.execute()
    assert run.downtime == 5 + 60 + 3600 + 60 + 7
