"""Pause and resume: what a journal says of them, how a run waits, and where in a run that is."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from rollout import pause
from rollout import plan as planner
from rollout.errors import Interrupted, StepFailed, Unreachable
from rollout.journal import Record, open_run, parse, settled
from rollout.model import DeploymentPlan, Phase, Severity
from rollout.status import status, status_rows
from tests.pure.boxes import box, by_name, deployment, settled_at, yum_box
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Trouble
from tests.pure.onhost import OnHost
from tests.pure.sketch import HOP, check, key, phase, plan, step

# What a journal says.


def written(event: str, at: int = 1, by: str = "ops@desk", **data: str) -> str:
    return pause.line(event, "pair", by, at, data)


def record(event: str, at: int = 1, **data: str) -> Record:
    return parse(written(event, at, **data) + "\n")[0]


def test_the_newest_of_the_two_decides() -> None:
    assert pause.newest([]) is None
    assert pause.newest([record("paused", 9), record("resumed", 3)]) is None  # the order counts, not the clocks
    assert pause.newest([record("resumed", 9), record("paused", 3, reason="disk")]) == record(
        "paused", 3, reason="disk"
    )


def test_a_pause_belongs_to_no_run() -> None:
    journal = (*settled_at("2.0.1", "a", "pair"), record("paused"))
    assert settled(journal) == "2.0.1" and open_run(journal) is None and pause.newest(journal)


def test_the_pause_of_any_host_pauses_its_deployment_and_the_newest_is_told() -> None:
    assert pause.of_any([None, record("paused", 3), record("paused", 5), None]) == record("paused", 5)
    assert pause.of_any([None, None]) is None


def test_a_paused_deployment_is_a_warning_of_the_plan() -> None:
    paused = record("paused", 5, reason="disk swap", since="2026-01-01T03:00:00Z")
    (found,) = pause.finding("pair", [(), (paused,)])
    assert (found.key, found.severity, found.host) == ("paused", Severity.WARNING, "pair")
    assert found.cause.startswith("paused by ops@desk since 2026-01-01T03:00:00Z: disk swap;")
    assert found.remedy == "invoke resume --hosts pair"
    assert pause.finding("pair", [(), (paused, record("resumed"))]) == ()


def test_status_shows_it_in_text_and_json() -> None:
    paused = record("paused", 5, reason="disk swap", since="2026-01-01T03:00:00Z")
    facts = by_name(replace(box("a", "2.0.1"), journal=(paused,)), box("b", "2.0.1"))
    data = status([deployment("pair", "a", "b")], facts, migrations.ALL)
    assert [host["paused"] for host in data["hosts"]] == [
        "paused by ops@desk since 2026-01-01T03:00:00Z: disk swap",
        "",
    ]
    rows = status_rows(data)[1]
    assert "disk swap" in rows[0][-1] and rows[1][-1] == "-"


# What the host's own program says.

texts = st.text(max_size=20) | st.sampled_from(['"event":"paused"', '"event":"resumed"}', "}", "#torn", "\n"])


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> OnHost:
    return OnHost(tmp_path_factory.mktemp("host"))


@given(
    st.lists(st.tuples(st.sampled_from(["paused", "resumed", "opened"]), texts), max_size=4),
    st.integers(0, 30),
    st.integers(0, 3),
)
def test_the_host_names_the_pause_that_holds_whatever_reasons_say_and_however_the_last_line_was_cut(
    host: OnHost, story: list[tuple[str, str]], cut: int, zeros: int
) -> None:
    lines = [written(event, number, reason=reason) for number, (event, reason) in enumerate(story)]
    text = "".join(f"{line}\n" for line in lines)
    text = (text[: len(text) - cut] if cut and text else text) + "\0" * zeros
    (host.state / "journal").write_text(text)
    said = host.call("paused")
    assert said.returncode == 0, said.stderr
    assert pause.newest(parse(said.stdout)) == pause.newest(parse(text))
    assert host.call("record", "", written("resumed", 99)).returncode == 0  # a line after one that was cut off
    assert pause.newest(parse(host.call("paused").stdout)) is None


def test_a_host_that_was_never_touched_is_not_paused(tmp_path: Path) -> None:
    untouched = OnHost(tmp_path)
    assert untouched.call("paused").stdout == ""
    assert list(untouched.state.iterdir()) == []


# How a run waits.


class Desk:
    """A clock that passes by napping, and what was said."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.said: list[str] = []

    def nap(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, ask: Callable[[], Record | None], stopping: Callable[[], bool] = lambda: False) -> None:
        """Wait for pair."""
        pause.wait("pair", ask, self.said.append, lambda: self.now, self.nap, stopping)


def test_who_is_not_paused_does_not_wait_and_hears_nothing() -> None:
    desk = Desk()
    desk.wait(lambda: None)
    assert desk.now == 1000.0 and desk.said == []


def test_a_pause_is_told_once_and_again_only_when_it_is_another_one() -> None:
    desk = Desk()
    first, second = record("paused", 1, reason="disk"), record("paused", 2, reason="still the disk")
    answers = iter([first, first, second, second, None])
    desk.wait(lambda: next(answers))
    assert desk.said == [
        "pair: paused by ops@desk: disk; waiting until: invoke resume --hosts pair",
        "pair: paused by ops@desk: still the disk; waiting until: invoke resume --hosts pair",
        "pair: resumed, going on",
    ]
    assert desk.now == 1000.0 + 4 * pause.POLL_S


def test_ctrl_c_ends_the_wait() -> None:
    desk = Desk()
    with pytest.raises(Interrupted, match="pair: stopped as asked"):
        desk.wait(lambda: record("paused"), lambda: desk.now > 1010)
    assert desk.now < 1020


def test_a_host_that_is_silent_for_a_while_is_still_paused_and_one_that_stays_so_is_given_up() -> None:
    desk, gone = Desk(), Unreachable("apt2: connection refused")

    def away_for_a_minute() -> Record | None:
        if 1010 < desk.now < 1070:
            raise gone
        return record("paused") if desk.now < 1100 else None

    desk.wait(away_for_a_minute)
    assert 1100 <= desk.now < 1104 and len(desk.said) == 2

    def away() -> Record | None:
        raise gone

    began = desk.now
    with pytest.raises(Unreachable):
        desk.wait(away)
    assert pause.SILENT_S <= desk.now - began < pause.SILENT_S + 3


# Where in a run that is.

SMALL = plan(
    phase(Phase.FETCH, step("fetch")),
    phase(Phase.BEFORE_STOP, step("before-stop.feeders", "a")),
    phase(Phase.STOP, step("stop.hold"), check("stop.proved")),
    phase(Phase.PACKAGES, step("packages")),
    phase(Phase.SETTLE, step("settle")),
)


class Held(Exception):
    """What stands for a wait in these tests: it ends the run there."""


def begun(fleet: Fleet, planned: DeploymentPlan = SMALL, *, hold: bool = False) -> list[tuple[str, ...]]:
    """Take PLANNED up; gives the hosts that were named before their stop. HOLD: the run ends there."""
    asked: list[tuple[str, ...]] = []
    run = fleet.again(planned)

    def before_stop(hosts: tuple[str, ...]) -> None:
        asked.append(hosts)
        if hold:
            raise Held

    run.before_stop = before_stop
    try:
        run.execute()
    except (Held, ControllerDied, StepFailed):
        fleet.go_on()
    return asked


def test_all_hosts_are_asked_about_once_behind_the_fetch_and_before_the_first_of_them_stops_anything() -> None:
    fleet = Fleet("a", "b")
    assert begun(fleet, hold=True) == [("a", "b")]
    assert sorted(fleet.world.did("fetch")) == ["a", "b"] and fleet.world.did("before-stop.feeders") == []
    assert begun(fleet) == [("a", "b")]  # taken up again, it is asked again
    assert fleet.world.did("packages") and begun(fleet) == []


def test_a_later_hop_is_down_already() -> None:
    fleet = Fleet("a", "b")
    second = tuple(replace(each, hop="9.9.9") for each in SMALL.phases)
    assert begun(fleet, replace(SMALL, phases=(*SMALL.phases, *second))) == [("a", "b")]


@pytest.mark.parametrize("when", ["started", "half", "acted", "finished"])
@pytest.mark.parametrize("where", ["before-stop.feeders", "stop.hold"])
def test_a_run_that_has_begun_to_stop_one_host_is_not_held_up_any_more(when: str, where: str) -> None:
    fleet = Fleet("a", "b")
    fleet.at("a", when, key(where), Trouble.KILLED)
    assert begun(fleet) == [("a", "b")]
    assert begun(fleet, hold=True) == []
    assert any(r.event == "closed" for r in fleet.records("a"))


def test_the_real_plan_of_a_pair_asks_about_both_hosts() -> None:
    facts = by_name(box("a", "2.0.1"), yum_box("b", "2.0.1"))
    made = planner.plan(deployment("pair", "a", "b"), facts, "2.2.1", migrations.ALL)
    assert begun(Fleet("a", "b"), made) == [("a", "b")]


def test_what_follows_the_verification_is_called_before_the_run_is_closed_and_again_when_it_is_taken_up() -> None:
    fleet, called = Fleet("a", "b"), list[bool]()

    def before_close() -> None:
        done = all(any(r.step == f"{HOP}:settle" and r.event == "finished" for r in fleet.records(h)) for h in "ab")
        closed = any(r.event == "closed" for r in fleet.records("a"))
        called.append(done and not closed)
        if len(called) < 3:
            raise ControllerDied if len(called) == 1 else StepFailed("hook")

    for number in range(3):
        run = fleet.again(SMALL)
        run.before_close = before_close
        if number < 2:
            with pytest.raises((ControllerDied, StepFailed)):
                run.execute()
        else:
            run.execute()
    assert called == [True] * 3 and sorted(fleet.world.did("packages")) == ["a", "b"]
    assert [json.loads(line)["event"] for line in fleet.machines["a"].journal.splitlines()][-1] == "closed"


def test_a_controller_that_lost_its_lock_does_not_close_the_run() -> None:
    fleet = Fleet("a", "b")
    over: list[bool] = []
    run = fleet.run(SMALL, lost=lambda: bool(fleet.world.did("settle")))
    run.before_close = lambda: over.append(True)
    with pytest.raises(Exception, match="another controller took over"):
        run.execute()
    assert over == []
