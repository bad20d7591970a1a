"""The lock's token on a host: a controller that lost its lock does nothing more, and whoever took over goes on."""

import pytest

from rollout.errors import Locked, StepFailed
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Trouble
from tests.pure.sketch import key, once, packages, step


def test_a_controller_that_lost_its_lock_starts_nothing_more() -> None:
    fleet = Fleet("a")
    planned = packages(step("one", "a"), step("two", "a"), hosts=("a",))
    slow = fleet.run(planned, token="t1")

    def taken_over() -> bool:
        fleet.lock("t2")
        return True

    fleet.world.wait_for("a", "one", taken_over)
    with pytest.raises(Locked, match="another controller took over"):
        slow.execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("two") == []
    assert [r.code for r in fleet.records("a") if r.event == "finished"] == [0]


def test_a_controller_that_slept_until_all_was_done_does_not_even_journal() -> None:
    fleet = Fleet("a")
    planned = packages(step("one", "a"), hosts=("a",))
    slow = fleet.run(planned, token="t1")
    slow.sink = lambda event: fleet.lock("t2") if event.kind == "step-finished" else None
    with pytest.raises(Locked, match="another controller took over"):
        slow.execute()
    assert [r.event for r in fleet.records("a")] == ["opened", "started", "finished"]
    fleet.again(planned, token="t2").execute()
    assert fleet.world.did("one") == ["a"] and fleet.records("a")[-1].event == "closed"


def test_a_controller_without_the_lock_changes_nothing() -> None:
    fleet = Fleet("a", "b")
    run = fleet.run(packages(step("one")), token="t1")
    fleet.lock("t2")
    with pytest.raises(Locked, match="another controller took over"):
        run.execute()
    assert fleet.world.ran == []


@pytest.mark.parametrize("when", ["before", "started", "half", "acted", "finished"])
def test_a_new_controller_goes_on_where_the_dead_one_left_a_step_in_flight(when: str) -> None:
    fleet = Fleet("a")
    planned = packages(step("one", "a"), step("two", "a"), hosts=("a",))
    fleet.at("a", when, key("one"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(planned, token="t1").execute()
    # The step is still in flight: it was begun under the dead controller's token.
    fleet.again(planned, token="t2").execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("two") == ["a"]


@pytest.mark.parametrize("when", ["before", "started", "half", "acted", "finished"])
def test_the_steps_of_this_run_run_although_another_one_was_still_busy(when: str) -> None:
    fleet = Fleet("a", "b")
    dead = packages(step("theirs"), step("theirs-too"))
    fleet.at("a", when, key("theirs"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(dead, "r0", token="t1").execute()
    fleet.run(packages(step("ours"), once("ours-once")), "r1", token="t2").execute()
    assert sorted(fleet.world.did("ours")) == ["a", "b"]
    assert fleet.world.did("ours-once") == ["a"]


def test_a_busy_host_whose_own_step_fails_does_not_confuse_the_new_run() -> None:
    fleet = Fleet("a")
    dead = packages(step("theirs", "a"), hosts=("a",))
    fleet.world.fail("a", "theirs", 1)
    fleet.at("a", "half", key("theirs"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(dead, "r0").execute()
    fleet.run(packages(step("ours", "a"), hosts=("a",)), "r1").execute()
    assert fleet.world.did("ours") == ["a"]


@pytest.mark.parametrize("trouble", [Trouble.BLIP, Trouble.AWAY])
def test_a_link_that_breaks_while_another_run_is_watched_hides_nothing_of_ones_own(trouble: Trouble) -> None:
    fleet = Fleet("a")
    theirs = packages(*(step(f"theirs-{number}", "a") for number in range(6)), hosts=("a",))
    fleet.at("a", "half", key("theirs-5"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(theirs, "r0").execute()
    # Much of their tale was read when the link breaks; nothing of it may count as read of one's own.
    fleet.at("a", "acted", key("theirs-5"), trouble)
    fleet.world.fail("a", "ours", 1)
    with pytest.raises(StepFailed, match="do ours"):
        fleet.run(packages(step("ours", "a"), hosts=("a",)), "r1").execute()
