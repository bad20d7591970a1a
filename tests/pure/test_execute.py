"""One run of a plan, undisturbed or failed: barriers, records, events, failures, downtime, stopping between steps."""

import json

import pytest

from rollout.codec import decode, digest
from rollout.downtime import longest
from rollout.errors import Interrupted, Locked, StepFailed
from rollout.execute import PLAN_FILE
from rollout.model import Before, DeploymentPlan, Phase, UnitState
from rollout.stretches import segments
from tests.pure.fleet import Fleet
from tests.pure.sketch import SETTLE, check, key, once, packages, phase, plan, step


def test_a_phase_begins_when_every_host_is_through_the_one_before() -> None:
    fleet = Fleet("a", "b", "c")
    hosts = ("a", "b", "c")
    run = fleet.run(
        plan(phase(Phase.STOP, step("one", *hosts)), phase(Phase.PACKAGES, step("two", *hosts)), hosts=hosts)
    )
    # b and c do not finish `one` before a did.
    fleet.world.wait_for("b", "one", lambda: ("a", key("one"), "finished") in fleet.passed())
    fleet.world.wait_for("c", "one", lambda: ("b", key("one"), "finished") in fleet.passed())
    run.execute()
    order = [(each.when, each.key) for each in fleet.moments if each.key]
    assert order.index(("before", key("two"))) > max(i for i, each in enumerate(order) if each[1] == key("one"))


def test_steps_of_a_deployment_wait_for_all_hosts_and_all_hosts_for_them() -> None:
    first, shared, last = step("first"), once("shared", "b"), step("last")
    assert segments((first, check("look"), shared, last)) == ((first, check("look")), (shared,), (last,))
    fleet = Fleet("a", "b")
    fleet.run(packages(first, shared, last)).execute()
    order = [each.key for each in fleet.world.ran]
    assert order == [key("first")] * 2 + [key("shared")] + [key("last")] * 2


def test_a_step_of_the_deployment_runs_once_and_every_host_remembers_it() -> None:
    fleet = Fleet("a", "b", "c")
    fleet.run(packages(once("shared", "b"), hosts=("a", "b", "c"))).execute()
    assert fleet.world.did("shared") == ["b"]
    for host in ("a", "b", "c"):
        known = [(r.event, r.host, r.attempt, r.code) for r in fleet.records(host) if r.step == key("shared")]
        assert known == [("started", "b", 1, 0), ("finished", "b", 1, 0)]


def test_records_of_a_host_stay_with_it() -> None:
    fleet = Fleet("a", "b")
    fleet.run(packages(step("own"), once("shared"))).execute()
    assert {r.host for r in fleet.records("b") if r.step == key("own")} == {"b"}


def test_every_host_keeps_the_plan_and_says_what_it_was_before() -> None:
    before = {"a": Before({"st2api": UnitState("active", "enabled")}, {"st2": "2.0.1-6"}), "b": Before()}
    fleet = Fleet("a", "b")
    planned = plan(phase(Phase.FETCH, step("one")), before=before)
    fleet.run(planned).execute()
    for host in ("a", "b"):
        opened = fleet.records(host)[0]
        assert (opened.event, opened.run, opened.host, opened.digest) == ("opened", "r1", host, digest(planned))
        assert (opened.data["command"], opened.data["from"], opened.data["to"]) == ("upgrade", "2.0.1", "2.2.1")
        kept = json.loads(fleet.machines[host].kept["r1", PLAN_FILE])
        assert decode(DeploymentPlan, kept) == planned
    assert fleet.records("a")[0].data["before"]["packages"] == {"st2": "2.0.1-6"}


def test_a_run_is_opened_on_all_hosts_before_the_first_step_on_any() -> None:
    fleet = Fleet("a", "b")
    fleet.run(packages(step("one", "a"))).execute()
    opened = [i for i, each in enumerate(fleet.moments) if each.when == "recorded"][:2]
    assert max(opened) < next(i for i, each in enumerate(fleet.moments) if each.key)


def test_a_run_that_is_through_is_closed_on_all_hosts_and_what_it_gives_up_is_given_up_first() -> None:
    fleet = Fleet("a", "b")
    fleet.run(plan(phase(Phase.FETCH, step("one")), abandons="r0")).execute()
    for host in ("a", "b"):
        told = [(r.run, r.event) for r in fleet.records(host)]
        assert told == [("r1", "opened"), ("r0", "abandoned"), ("r1", "started"), ("r1", "finished"), ("r1", "closed")]


def test_events_tell_the_run_in_order() -> None:
    fleet = Fleet("a")
    fleet.run(
        plan(phase(Phase.STOP, step("one", "a"), check("look", "a")), phase(Phase.START, step("two", "a")))
    ).execute()
    assert fleet.told("phase-started", "step-started", "step-finished") == [
        ("phase-started", "", "stop"),
        ("step-started", "a", key("one")),
        ("step-finished", "a", key("one")),
        ("step-started", "a", key("look")),
        ("step-finished", "a", key("look")),
        ("phase-started", "", "start"),
        ("step-started", "a", key("two")),
        ("step-finished", "a", key("two")),
    ]
    assert all(each.deployment == "pair" for each in fleet.events)
    finished = next(each for each in fleet.events if each.kind == "step-finished")
    assert (finished.phase, finished.title, finished.data["code"]) == ("stop", "do one", 0)


def test_what_a_step_says_is_in_its_event_where_it_is_for_the_operator_and_nowhere_else() -> None:
    fleet = Fleet("a")
    fleet.run(plan(phase(Phase.CONFIG, step("one", "a"), step("two", "a", tells=True)))).execute()
    found = {each.step: each.data.get("log") for each in fleet.events if each.kind == "step-finished"}
    assert found == {key("one"): None, key("two"): ["what two said", "its last line"]}


@pytest.mark.parametrize(
    ("code", "says"),
    [(1, "exit code 1"), (100, "exit code 100"), (124, "ran out of its 600 s"), (137, "exit code 137")],
)
def test_a_failure_names_host_step_and_last_lines(code: int, says: str) -> None:
    fleet = Fleet("a", "b")
    fleet.world.fail("b", "one", code)
    with pytest.raises(StepFailed) as caught:
        fleet.run(plan(phase(Phase.PACKAGES, step("one")), phase(Phase.MISTRAL, once("two")))).execute()
    error = caught.value
    assert (error.host, error.step) == ("b", key("one"))
    assert error.message.startswith("b: do one: ") and says in error.message
    assert error.log.endswith("its last line")
    assert fleet.world.did("two") == []


def test_a_change_that_does_not_take_hold_is_issued_again_and_then_fails() -> None:
    fleet = Fleet("a")
    fleet.world.unsettle("a", "stop", 1)
    fleet.run(packages(step("stop", "a", settle=SETTLE), step("next", "a"))).execute()
    assert fleet.world.did("stop") == ["a", "a"] and fleet.world.did("next") == ["a"]

    fleet = Fleet("a")
    fleet.world.unsettle("a", "stop", 9)
    with pytest.raises(StepFailed, match="did not take hold in time"):
        fleet.run(packages(step("stop", "a", settle=SETTLE), step("next", "a"))).execute()
    assert fleet.world.did("stop") == ["a", "a"] and fleet.world.did("next") == []
    assert [r.attempt for r in fleet.records("a") if r.event == "started"] == [1, 2]


def test_a_postcondition_that_does_not_hold_is_a_failure() -> None:
    fleet = Fleet("a")
    fleet.world.deny("a", "one")
    with pytest.raises(StepFailed, match="its postcondition does not hold"):
        fleet.run(packages(step("one", "a", postcondition=("true",)), step("two", "a"))).execute()
    assert fleet.world.did("two") == []


def test_other_hosts_finish_their_phase_when_one_fails() -> None:
    fleet = Fleet("a", "b")
    fleet.world.fail("a", "one", 1)
    with pytest.raises(StepFailed):
        fleet.run(plan(phase(Phase.STOP, step("one"), step("two")), phase(Phase.PACKAGES, step("three")))).execute()
    assert fleet.world.did("two") == ["b"]
    assert fleet.world.did("three") == []


def test_downtime_is_the_time_between_stop_and_start() -> None:
    fleet = Fleet("a")
    fleet.world.seconds = {"fetch": 1000.0, "stop.units": 5.0, "packages": 60.0, "start.units": 7.0, "verify": 500.0}
    phases = [(Phase.FETCH, "fetch"), (Phase.STOP, "stop.units"), (Phase.PACKAGES, "packages")]
    phases += [(Phase.START, "start.units"), (Phase.VERIFY, "verify")]
    run = fleet.run(plan(*(phase(name, step(each, "a")) for name, each in phases)))
    run.execute()
    assert longest(run.downtimes).downtime_s == 72


def test_downtimes_of_several_hops_add_up() -> None:
    fleet = Fleet("a")
    fleet.world.seconds = {"fetch": 1000.0, "stop.units": 5.0, "start.units": 7.0}
    names = ((Phase.FETCH, "fetch"), (Phase.STOP, "stop.units"), (Phase.START, "start.units"))
    run = fleet.run(
        plan(*(phase(name, step(each, "a"), hop=hop) for hop in ("1.5.1", "2.0.1") for name, each in names))
    )
    run.execute()
    assert longest(run.downtimes).downtime_s == 24
    assert fleet.world.did("stop.units") == ["a", "a"]


def test_the_downtime_of_a_deployment_is_that_of_the_host_that_was_down_longest() -> None:
    fleet = Fleet("a", "b")
    fleet.world.seconds = {"stop.units": 5.0, "mend": 100.0, "start.units": 7.0}
    run = fleet.run(
        plan(
            phase(Phase.STOP, step("stop.units", "b")),
            phase(Phase.PACKAGES, step("mend", "b")),
            phase(Phase.START, step("start.units", "b")),
        )
    )
    run.execute()
    assert longest(run.downtimes).downtime_s == 112


def test_whoever_asks_to_stop_is_heard_after_the_step_that_runs() -> None:
    fleet = Fleet("a", "b")
    planned = plan(phase(Phase.STOP, step("one"), once("two"), step("three")), phase(Phase.PACKAGES, step("four")))
    run = fleet.run(planned, stopping=lambda: bool(fleet.world.did("two")))
    with pytest.raises(Interrupted):
        run.execute()
    assert fleet.world.did("two") == ["a"] and fleet.world.did("three") == []
    fleet.again(planned).execute()
    assert [len(fleet.world.did(name)) for name in ("one", "two", "three", "four")] == [2, 1, 2, 2]


def test_whoever_lost_the_lock_stops_before_the_next_step() -> None:
    fleet = Fleet("a", "b")
    run = fleet.run(packages(step("one"), once("two")), lost=lambda: bool(fleet.world.did("one")))
    with pytest.raises(Locked, match="pair: another controller took over"):
        run.execute()
    assert fleet.world.did("two") == []


def test_a_finished_run_that_is_executed_again_does_nothing() -> None:
    fleet = Fleet("a", "b")
    planned = plan(phase(Phase.STOP, step("one"), check("look")), phase(Phase.PACKAGES, once("two")))
    fleet.run(planned).execute()
    before = list(fleet.world.ran)
    fleet.run(planned).execute()
    assert fleet.world.ran == before
