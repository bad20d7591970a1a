"""Runs that only the operator can settle, and runs whose link, controller or disk went: what is asked, what goes on."""

from typing import Any

import pytest

from rollout.downtime import longest
from rollout.errors import LinkLost, StepFailed, Undecided
from rollout.model import Phase, Repeat
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Trouble
from tests.pure.sketch import key, once, packages, phase, plan, step

ASK: dict[str, Any] = {"repeat": Repeat.ASK}

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
    assert fleet.history("a", "drop") == [("started", 1, 0), ("started", 2, 0), ("finished", 2, 0)]


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
        assert fleet.history(host, "drop")[-1][0] == "finished", host


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


@pytest.mark.parametrize("when", ["before", "started", "acted"])
def test_a_disk_that_is_full_stops_the_run_and_hides_nothing(when: str) -> None:
    fleet = Fleet("a")
    planned = plan(phase(Phase.FETCH, step("one", "a")), phase(Phase.BEFORE_STOP, step("two", "a")), hosts=("a",))
    fleet.at("a", when, key("one"), Trouble.FULL)
    with pytest.raises(StepFailed):
        fleet.run(planned).execute()
    assert fleet.world.did("two") == []
    fleet.machines["a"].full = False
    fleet.again(planned).execute()
    assert fleet.world.did("two") == ["a"] and fleet.history("a", "one")[-1][0] == "finished"


def test_a_host_that_says_nothing_of_a_step_is_not_taken_for_done() -> None:
    fleet = Fleet("a")
    run = fleet.run(packages(step("one", "a"), hosts=("a",)))
    link = run.links["a"]
    link.change = lambda run, jobs: iter(())  # type: ignore[method-assign]
    with pytest.raises(StepFailed):
        run.execute()
    assert "closed" not in {r.event for r in fleet.records("a")}


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
    assert longest(run.downtimes).downtime_s == 5 + 60 + 3600 + 5 + 60 + 7
