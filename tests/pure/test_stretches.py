"""A host that waits for no other goes through its phases in one request; hosts that share a deployment wait at each barrier."""

from collections.abc import Iterator

import pytest

from rollout.errors import Interrupted, StepFailed, Undecided
from rollout.execute import Job, Told
from rollout.model import Phase, Repeat
from rollout.stretches import parts, segments, stretches
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Trouble
from tests.pure.sketch import SETTLE, check, key, once, phase, plan, step

ORDER = (Phase.FETCH, Phase.BEFORE_STOP, Phase.STOP, Phase.PACKAGES, Phase.MISTRAL, Phase.START, Phase.VERIFY)
BOX = plan(
    phase(Phase.FETCH, step("fetch", "a")),
    phase(Phase.BEFORE_STOP, step("feeders", "a")),
    phase(Phase.STOP, step("stop.units", "a"), check("quiet", "a")),
    phase(Phase.PACKAGES, step("packages.set", "a")),
    phase(Phase.MISTRAL, check("ready", "a"), once("upgrade", "a")),
    phase(Phase.START, step("start.units", "a")),
    phase(Phase.VERIFY, check("look", "a")),
    hosts=("a",),
)
RUNS = ("fetch", "feeders", "stop.units", "packages.set", "upgrade", "start.units")


def requests(fleet: Fleet, host: str = "a") -> list[list[str]]:
    """What travelled to HOST, a list of steps for each request."""
    return [[job.todo.step.id for job in each.jobs] for each in fleet.machines[host].segments]


def test_a_single_box_is_asked_once_before_its_stop_and_once_from_there_on() -> None:
    fleet = Fleet("a")
    fleet.run(BOX).execute()
    assert requests(fleet) == [
        ["fetch"],
        ["feeders", "stop.units", "quiet", "packages.set", "ready", "upgrade", "start.units", "look"],
    ]
    begun = [title for kind, _, title in fleet.told("phase-started")]
    assert begun == [each.value for each in ORDER]


def test_two_hosts_wait_for_each_other_at_every_barrier() -> None:
    pair = (phase(Phase.STOP, step("stop.units")), phase(Phase.PACKAGES, step("packages.set"), once("upgrade")))
    assert stretches(pair) == ((pair[0],), (pair[1],))
    assert [[one.id for _, one in part] for part in parts((pair[1],))] == [["packages.set"], ["upgrade"]]
    assert [[one.id for one in part] for part in segments(pair[1].steps)] == [["packages.set"], ["upgrade"]]
    fleet = Fleet("a", "b")
    fleet.run(plan(*pair)).execute()
    assert requests(fleet) == [["stop.units"], ["packages.set"], ["upgrade"]]


def test_what_one_of_two_hosts_does_alone_is_one_request_as_well() -> None:
    ahead = [phase(name, step(name.value, "b"), ahead="b") for name in (Phase.STOP, Phase.PACKAGES, Phase.START)]
    both = phase(Phase.STOP, step("stop.units"))
    assert stretches((*ahead, both)) == (tuple(ahead), (both,))


def test_every_hop_and_every_stop_begins_a_stretch_of_its_own() -> None:
    later = [phase(name, step(name.value, "a"), hop="2.3.2") for name in (Phase.FETCH, Phase.STOP, Phase.START)]
    found = stretches((*BOX.phases, *later))
    assert [[each.name for each in stretch] for stretch in found] == [
        [Phase.FETCH],
        list(ORDER[1:]),
        [Phase.FETCH],
        [Phase.STOP, Phase.START],
    ]


def test_whoever_is_to_be_asked_before_the_stop_is_asked_once_and_then() -> None:
    fleet = Fleet("a")
    run = fleet.run(BOX)
    asked: list[tuple[str, ...]] = []
    run.before_stop = lambda hosts: asked.append((*hosts, *fleet.world.did("fetch"), *fleet.world.did("feeders")))
    run.execute()
    assert asked == [("a", "a")]  # st2 serves still: fetched, and nothing stopped


def test_whoever_waited_in_vain_for_apt_is_asked_again_as_nothing_was_stopped() -> None:
    busy = phase(Phase.BEFORE_STOP, check("before-stop.free", "a"), step("feeders", "a"))
    box = plan(*(busy if each.name is Phase.BEFORE_STOP else each for each in BOX.phases), hosts=("a",))
    fleet = Fleet("a")
    fleet.world.fail("a", "before-stop.free", 1)
    asked: list[tuple[str, ...]] = []
    for run in (fleet.run(box), fleet.run(box)):
        run.before_stop = asked.append
        if not asked:
            with pytest.raises(StepFailed):
                run.execute()
            assert fleet.world.did("feeders") == fleet.world.did("stop.units") == []
        else:
            run.execute()
    assert asked == [("a",), ("a",)]


def test_a_host_whose_controller_was_killed_serves_again_by_itself() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("packages.set"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(BOX).execute()
    fleet.go_on()
    assert fleet.world.did("start.units") == ["a"]
    fleet.again(BOX).execute()
    assert {name: fleet.world.did(name) for name in RUNS} == {name: ["a"] for name in RUNS}
    assert fleet.records("a")[-1].event == "closed"


def test_whoever_takes_up_a_run_that_still_works_follows_it_and_does_not_stop_what_it_started() -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key("packages.set"), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(BOX).execute()
    fleet.again(BOX).execute()
    assert {name: fleet.world.did(name) for name in RUNS} == {name: ["a"] for name in RUNS}


@pytest.mark.parametrize("at", RUNS[1:])
def test_what_went_on_between_a_look_at_the_journal_and_the_request_is_not_done_again(at: str) -> None:
    """The steps that a dead controller sent are all through when the next one, which saw one of them run, sends its own."""
    fleet = Fleet("a")
    fleet.at("a", "half", key(at), Trouble.KILLED)
    with pytest.raises(ControllerDied):
        fleet.run(BOX).execute()
    taken_up = fleet.again(BOX)
    link = taken_up.links["a"]
    change, machine = link.change, fleet.machines["a"]

    def late(run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        machine.go_on()
        yield from change(run, jobs)

    link.change = late  # type: ignore[method-assign]
    taken_up.execute()
    assert {name: fleet.world.did(name) for name in RUNS} == {name: ["a"] for name in RUNS}
    assert fleet.records("a")[-1].event == "closed"


@pytest.mark.parametrize("at", ["packages.set", "upgrade", "start.units"])
def test_a_box_that_loses_power_in_the_middle_goes_on_from_there(at: str) -> None:
    fleet = Fleet("a")
    fleet.at("a", "half", key(at), Trouble.POWER)
    fleet.run(BOX).execute()
    for name in RUNS:
        assert fleet.history("a", name)[-1] == ("finished", 2 if name == at else 1, 0)
    assert fleet.records("a")[-1].event == "closed"


def test_a_failure_is_one_of_its_own_phase() -> None:
    fleet = Fleet("a")
    fleet.world.fail("a", "upgrade", 1)
    run = fleet.run(BOX)
    with pytest.raises(StepFailed):
        run.execute()
    assert run.at is not None and run.at.name is Phase.MISTRAL
    assert fleet.world.did("start.units") == []


def test_ctrl_c_stops_a_box_between_two_steps_whatever_phases_they_are_of() -> None:
    fleet = Fleet("a")
    run = fleet.run(BOX, stopping=lambda: fleet.machines["a"].halted)

    def pressed() -> bool:
        run.links["a"].halt(run.id)
        return True

    fleet.world.wait_for("a", "packages.set", pressed)
    with pytest.raises(Interrupted):
        run.execute()
    assert fleet.world.did("packages.set") == ["a"] and fleet.world.did("upgrade") == []
    fleet.again(BOX).execute()
    assert fleet.world.did("packages.set") == ["a"] and fleet.world.did("upgrade") == ["a"]


def test_each_step_is_issued_again_as_often_as_it_may_whatever_the_others_needed() -> None:
    slow = plan(
        phase(Phase.STOP, step("stop.units", "a", settle=SETTLE)),
        phase(Phase.START, step("start.units", "a", settle=SETTLE)),
        hosts=("a",),
    )
    fleet = Fleet("a")
    fleet.world.unsettle("a", "stop.units", 1)
    fleet.world.unsettle("a", "start.units", 1)
    fleet.run(slow).execute()
    assert fleet.world.did("stop.units") == fleet.world.did("start.units") == ["a", "a"]


def test_a_question_comes_up_when_everything_before_it_is_through() -> None:
    asks = plan(
        phase(Phase.STOP, step("stop.units", "a")),
        phase(Phase.MIGRATIONS, step("rename", "a", repeat=Repeat.ASK)),
        phase(Phase.START, step("start.units", "a")),
        hosts=("a",),
    )
    fleet = Fleet("a")
    fleet.at("a", "half", key("rename"), Trouble.POWER)
    with pytest.raises(Undecided):
        fleet.run(asks).execute()
    run = fleet.again(asks)
    with pytest.raises(Undecided, match="rename was interrupted"):
        run.execute()
    assert fleet.world.did("stop.units") == ["a", "a"]  # brought about again before anybody is asked
    assert run.at is not None and run.at.name is Phase.MIGRATIONS
    fleet.again(asks, answers={"rename": "again"}).execute()
    assert fleet.world.did("start.units") == ["a"]
