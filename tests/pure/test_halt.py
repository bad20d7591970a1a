"""Ctrl-C in the middle of a request: the step that runs is finished, none begins, and the same command goes on."""

import threading

import pytest

from rollout.errors import Interrupted, StepFailed, StormliftError, Unreachable
from rollout.events import Event
from rollout.execute import Run
from rollout.model import DeploymentPlan
from tests.pure.fleet import ControllerDied, Fleet, MemoryLink
from tests.pure.machine import Machine, Trouble
from tests.pure.sketch import check, key, packages, step

PLAN = packages(step("one"), check("look"), step("two"), step("three"))
PATIENCE_S = 10.0


class CtrlC:
    """A run in which Ctrl-C is pressed while the step that is given to `during` runs on each of its hosts."""

    def __init__(self, fleet: Fleet, planned: DeploymentPlan = PLAN, token: str = "") -> None:
        self.fleet = fleet
        self.pressed = threading.Event()
        self.run = fleet.run(planned, token=token, stopping=self.pressed.is_set)

    def press(self) -> None:
        """As tasks.edge.Desk does it."""
        if not self.pressed.is_set():
            self.pressed.set()
            self.run.halt()

    def during(self, step: str, *hosts: str) -> "CtrlC":
        """STEP ends on each of HOSTS when all of them are at it and have heard of Ctrl-C."""
        at = {(host, key(step), "half") for host in hosts}

        def heard() -> bool:
            if at <= self.fleet.passed():
                self.press()
            return all(self.fleet.machines[host].halted for host in hosts)

        for host in hosts:
            self.fleet.world.wait_for(host, step, heard)
        return self

    def stops(self) -> Interrupted:
        """Carry the run out; gives what it says."""
        with pytest.raises(Interrupted) as caught:
            self.run.execute()
        return caught.value


def test_the_step_that_runs_on_each_host_is_finished_and_the_next_one_is_not_begun() -> None:
    fleet = Fleet("a", "b")
    said = CtrlC(fleet).during("one", "a", "b").stops()
    assert said.exit_code == 130
    assert (said.message, said.hint) == (
        "stopped as asked; every step that was begun has ended",
        "the same command goes on from here",
    )
    assert sorted(fleet.world.did("one")) == ["a", "b"]
    for name in ("look", "two", "three"):
        assert fleet.world.did(name) == [] and fleet.history("a", name) == []
    assert fleet.history("a", "one") == fleet.history("b", "one") == [("started", 1, 0), ("finished", 1, 0)]
    assert sorted(fleet.told("step-halted")) == [("step-halted", host, key("look")) for host in ("a", "b")]


def test_the_same_command_goes_on_and_nothing_runs_twice() -> None:
    fleet = Fleet("a", "b")
    CtrlC(fleet).during("two", "a", "b").stops()
    fleet.again(PLAN).execute()
    assert {name: sorted(fleet.world.did(name)) for name in ("one", "two", "three")} == {
        name: ["a", "b"] for name in ("one", "two", "three")
    }
    assert fleet.records("a")[-1].event == "closed"


def test_a_command_that_is_typed_while_the_halted_step_still_runs_waits_for_it_and_goes_on() -> None:
    fleet = Fleet("a")
    planned = packages(step("one", "a"), step("two", "a"), hosts=("a",))
    # Ctrl-C twice: the second one leaves at once, as kill does.
    fleet.at("a", "half", key("one"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(planned).execute()
    fleet.machines["a"].halt("r1", "s1")
    fleet.again(planned).execute()
    assert fleet.world.did("one") == ["a"] and fleet.world.did("two") == ["a"]
    assert fleet.told("step-halted") == []


def test_ctrl_c_during_the_last_step_stops_nothing() -> None:
    fleet = Fleet("a", "b")
    CtrlC(fleet).during("three", "a", "b").run.execute()
    assert fleet.records("a")[-1].event == "closed"


def test_a_failure_is_told_before_the_stop() -> None:
    fleet = Fleet("a", "b")
    fleet.world.fail("a", "one", 9)
    with pytest.raises(StepFailed, match="exit code 9"):
        CtrlC(fleet).during("one", "a", "b").run.execute()
    assert fleet.world.did("two") == []


def test_a_run_that_is_to_stop_before_it_began_changes_nothing() -> None:
    fleet = Fleet("a", "b")
    run = CtrlC(fleet)
    run.press()
    assert "before its first step" in run.stops().message
    assert fleet.machines["a"].journal == "" and fleet.world.ran == []


def test_a_request_that_is_on_its_way_when_ctrl_c_is_pressed_begins_nothing() -> None:
    fleet = Fleet("a", "b")
    asked: list[bool] = []

    def pressed_after_the_second_look() -> bool:
        asked.append(len(asked) >= 2)
        return asked[-1]

    run = CtrlC(fleet)
    run.run.stopping = pressed_after_the_second_look
    for link in run.run.links.values():
        link.halt("r1")
    run.stops()
    assert fleet.world.ran == [] and {r.event for r in fleet.records("a")} == {"opened"}


def test_a_host_without_a_link_goes_on_by_itself_and_is_named() -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", "half", key("one"), Trouble.LOST)
    run = CtrlC(fleet).during("one", "b")
    said = run.stops()
    assert said.message == "stopped as asked; no link to a: the steps sent there go on by themselves"
    assert said.hint == "the same command picks them up and goes on from there"
    fleet.go_on()
    assert fleet.world.did("three") == ["a"] and fleet.world.did("look") == ["a"]
    fleet.again(PLAN).execute()
    assert sorted(fleet.world.did("one")) == sorted(fleet.world.did("three")) == ["a", "b"]


class Deaf(MemoryLink):
    """A link whose halt waits until it is let go, and then is found to be down."""

    def __init__(self, fleet: Fleet, machine: Machine, token: str) -> None:
        super().__init__(fleet, machine, token)
        self.let_go = threading.Event()

    def halt(self, run: str) -> None:
        """Wait, then give up."""
        self.let_go.wait(PATIENCE_S)
        raise Unreachable("a: the link is down")


def test_whoever_asks_to_stop_waits_for_no_host_and_is_told_who_did_not_hear() -> None:
    fleet, told = Fleet("a"), threading.Event()
    link = Deaf(fleet, fleet.machines["a"], "")

    def sink(event: Event) -> None:
        fleet.tell(event)
        told.set()

    run = Run("r1", PLAN, {"a": link}, sink, fleet.clock, "op@console", "stormlift test")
    run.halt()
    assert not told.is_set()
    link.let_go.set()
    assert told.wait(PATIENCE_S)
    assert [(e.kind, e.host, e.title) for e in fleet.events] == [("halt-unheard", "a", "the link is down")]


def test_what_stopped_under_a_lock_goes_on_under_the_next_one() -> None:
    fleet = Fleet("a", "b")
    CtrlC(fleet, token="t1").during("one", "a", "b").stops()
    fleet.again(PLAN, token="t2").execute()
    assert sorted(fleet.world.did("two")) == ["a", "b"]


@pytest.mark.parametrize("name", ["one", "look", "two", "three"])
def test_stopped_at_any_step_and_taken_up_again_it_ends_as_if_undisturbed(name: str) -> None:
    undisturbed = Fleet("a", "b")
    undisturbed.run(PLAN).execute()
    fleet = Fleet("a", "b")
    try:
        CtrlC(fleet).during(name, "a", "b").run.execute()
    except StormliftError:
        fleet.again(PLAN).execute()
    assert fleet.world.effects == undisturbed.world.effects
    for each in ("one", "two", "three"):
        assert sorted(fleet.world.did(each)) == ["a", "b"]
