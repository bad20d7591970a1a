"""A rollout over real SSH: hooks in their order, pauses from a second shell, the health gate, all with small plans."""

import threading
import time

import pytest

from rollout.batches import Pace
from rollout.errors import NoAnswer, PlanRefused, Unreachable, UsageError
from rollout.events import Event
from rollout.model import HOOKS
from tasks.edge import Desk
from tasks.pause import pause, resume
from tasks.plan import unreachable
from tests.wire.fleet import ENVIRONMENT, WireFleet
from tests.wire.rolling import UNGATED, Sitting, served

TWO = {"one": ("a",), "pair": ("b", "c")}
GATED = Pace(soak_s=1, gate_deadline_s=3)


@pytest.fixture
def sitting(wire_fleet: WireFleet) -> Sitting:
    return served(wire_fleet, TWO)


# Hooks.


def test_hooks_run_in_their_order_and_are_told_what_goes_on(sitting: Sitting) -> None:
    sitting.hooked(*HOOKS)
    outcomes = sitting.upgrade()
    assert {name: each.outcome for name, each in outcomes.items()} == {"one": "upgraded", "pair": "upgraded"}
    assert sitting.points() == [
        *("before-run", "before-batch one", "before-host a", "after-host a", "after-batch one"),
        *("before-batch pair", "before-host b", "before-host c", "after-host b", "after-host c", "after-batch pair"),
        "after-run",
    ]
    first, of_b, last = sitting.heard()[0], sitting.heard()[6], sitting.heard()[-1]
    assert (first["batch"], first["batches"], first["outcome"]) == (None, 2, None)
    assert [(each["name"], each["outcome"]) for each in last["deployments"]] == [
        ("one", "upgraded"),
        ("pair", "upgraded"),
    ]
    assert of_b == {
        "schema": "stormlift.hook/1",
        "hook": "before-host",
        "inventory": ENVIRONMENT,
        "run": outcomes["pair"].run,
        "command": "upgrade",
        "batch": 2,
        "batches": 2,
        "deployment": "pair",
        "host": "b",
        "address": "127.0.0.1",
        "from": "2.0.1",
        "to": "2.2.1",
        "outcome": None,
        "deployments": [{"name": "pair", "hosts": ["b", "c"], "from": "2.0.1", "to": "2.2.1", "outcome": None}],
    }
    assert sitting.code() == 0 and last["outcome"] == "upgraded"


def test_before_host_runs_while_st2_serves_and_after_host_before_the_run_is_closed(sitting: Sitting) -> None:
    sitting.hooked("before-host", "after-host")
    seen: dict[str, list[str]] = {}

    def note(event: Event) -> None:
        if event.kind == "hook-started":
            journal = (sitting.fleet[event.host].state / "journal").read_text()
            seen[f"{event.title}"] = [*sitting.ran(event.host), *(["closed"] if '"event":"closed"' in journal else [])]

    sitting.when = note
    sitting.upgrade()
    assert seen["b: hook before-host of wire"] == ["fetch.packages"]
    assert seen["b: hook after-host of wire"] == ["fetch.packages", "stop.units", "settle.record"]


def test_a_failing_hook_before_a_host_fails_the_deployment_with_st2_as_it_was(sitting: Sitting) -> None:
    sitting.hooked("before-host", "after-host", "after-batch", "after-run")
    sitting.tell(
        '[ "$1 $(tail -n 1 hooks.jsonl | grep -c \'"host": "c"\')" != "before-host 1" ] || { echo LB says no; exit 4; }'
    )
    pair = sitting.upgrade()["pair"]
    assert (pair.outcome, pair.exit_code, sitting.code()) == ("failed", 3, 3)
    assert pair.error.startswith("c: hook before-host of wire: exit code 4\n  leaves: st2 serves as before")
    assert pair.log == "LB says no\n" and "invoke upgrade --hosts pair" in pair.hint
    assert sitting.ran("b") == sitting.ran("c") == ["fetch.packages"]
    assert sitting.points()[-3:] == ["before-host c", "after-batch pair", "after-run"]
    assert sitting.heard()[-2]["outcome"] == sitting.heard()[-1]["outcome"] == "failed"
    sitting.tell("")
    assert sitting.upgrade()["pair"].outcome == "upgraded"
    assert sitting.ran("b") == ["fetch.packages", "stop.units", "settle.record"]


def test_a_failing_hook_after_a_host_leaves_the_run_open_and_the_same_command_runs_it_alone(sitting: Sitting) -> None:
    sitting.hooked("before-host", "after-host")
    sitting.tell('[ "$1" != after-host ] || exit 1')
    one = sitting.upgrade()["one"]
    assert one.outcome == "failed" and "st2 itself is fine" in one.error and "it runs again" in one.hint
    done = ["fetch.packages", "stop.units", "settle.record"]
    assert sitting.ran("a") == done
    sitting.tell("")
    before = len(sitting.heard())
    again = sitting.upgrade()
    assert again["one"].outcome == "upgraded" and again["one"].run == one.run
    assert sitting.points()[before] == "after-host a" and sitting.ran("a") == done


def test_every_host_is_given_back_although_the_hook_of_one_fails(sitting: Sitting) -> None:
    sitting.hooked("after-host")
    sitting.tell('! tail -n 1 hooks.jsonl | grep -q \'"host": "b"\'')
    pair = sitting.upgrade()["pair"]
    assert pair.error.startswith("b: hook after-host of wire: exit code 1")
    assert sitting.points() == ["after-host a", "after-host b", "after-host c"]


def test_a_failing_hook_before_the_run_changes_nothing_and_the_last_one_runs(sitting: Sitting) -> None:
    sitting.hooked("before-run", "after-run", "before-batch")
    sitting.tell('[ "$1" != before-run ] || { echo no change window; exit 1; }')
    with pytest.raises(PlanRefused) as caught:
        sitting.upgrade()
    assert caught.value.message == "hook before-run of wire: exit code 1: no change window"
    assert caught.value.hint.startswith("nothing was changed; mend the hook")
    assert sitting.points() == ["before-run", "after-run"] and sitting.heard()[-1]["outcome"] == "not attempted"
    assert not any((host.state / "journal").exists() for host in sitting.fleet.hosts.values())


def test_a_failing_hook_after_the_run_fails_the_command_and_no_deployment(sitting: Sitting) -> None:
    sitting.hooked("after-run")
    sitting.tell("exit 9")
    assert {each.outcome for each in sitting.upgrade().values()} == {"upgraded"}
    assert sitting.code() == 3 and [error.step for error in sitting.result.hooks] == ["after-run"]


def test_a_failing_hook_before_a_batch_and_one_after_it(sitting: Sitting) -> None:
    sitting.hooked("before-batch", "after-batch")
    sitting.tell('[ "$1 $(tail -n 1 hooks.jsonl | grep -c \'"batch": 2\')" != "before-batch 1" ]')
    pair = sitting.upgrade()["pair"]
    assert pair.outcome == "failed" and "hook before-batch of wire: exit code 1" in pair.error
    assert sitting.ran("b") == [] and sitting.points()[-1] == "after-batch pair"
    sitting.tell('[ "$1" != after-batch ]')
    outcomes = sitting.upgrade()
    assert outcomes["one"].outcome == "failed" and "st2 itself is fine" in outcomes["one"].error
    assert outcomes["pair"].outcome == "not attempted"


def test_a_hook_whose_program_is_missing_is_found_before_anything_begins(sitting: Sitting) -> None:
    sitting.hooked("after-host")
    (sitting.fleet.directory / "hook.sh").unlink()
    with pytest.raises(UsageError, match="hook after-host of wire: there is no program"):
        sitting.upgrade()
    assert sitting.ran("a") == []


def test_ctrl_c_while_a_hook_runs_lets_it_finish_and_begins_nothing(sitting: Sitting) -> None:
    sitting.hooked("before-batch", "after-run")

    def stop(event: Event) -> None:
        if event.kind == "hook-started" and "before-batch" in event.title:
            assert sitting.desk is not None
            sitting.desk.stopping = True

    sitting.when = stop
    assert [(each.outcome, each.exit_code) for each in sitting.upgrade().values()] == [("not attempted", 130)] * 2
    assert sitting.points() == ["before-batch one", "after-run"] and sitting.heard()[-1]["outcome"] == "interrupted"
    assert sitting.code() == 130 and not (sitting.fleet["a"].state / "journal").exists()


# Pauses.


def test_a_deployment_that_is_paused_while_another_is_upgraded_waits_untouched_until_it_is_resumed(
    sitting: Sitting,
) -> None:
    seen: list[tuple[list[str], bool]] = []

    def act(event: Event) -> None:
        if event.kind == "step-finished" and event.step.endswith("settle.record") and event.host == "a":
            said = sitting.types("pause", "--hosts", "pair", "--reason", "swapping a disk")
            assert "pair: paused on b, c; it ends with: invoke resume --hosts pair" in said.stdout
        if event.kind == "waiting" and event.data["reason"] == "paused" and "resumed" not in event.title:
            time.sleep(2.5)  # more than one look
            seen.append((sitting.ran("b"), (sitting.fleet["b"].state / "lock").exists()))
            sitting.types("resume", "--hosts", "pair")

    sitting.when = act
    assert {each.outcome for each in sitting.upgrade().values()} == {"upgraded"}
    assert seen == [([], False)]  # nothing had run there, and nobody held its lock
    waits = sitting.titles("waiting")
    assert len(waits) == 2 and waits[1] == "pair: resumed, going on"
    assert waits[0].startswith("pair: paused by ") and ": swapping a disk; waiting until: invoke resume" in waits[0]
    assert sitting.ran("b") == ["fetch.packages", "stop.units", "settle.record"]


def test_a_pause_that_comes_in_time_holds_a_running_deployment_before_its_stop_and_keeps_its_lock(
    sitting: Sitting,
) -> None:
    seen: list[tuple[list[str], bool]] = []

    def act(event: Event) -> None:
        if event.kind == "step-finished" and event.step.endswith("fetch.packages") and event.host == "a":
            pause(sitting.context(), hosts="one")
        if event.kind == "waiting" and "resumed" not in event.title:
            seen.append((sitting.ran("a"), (sitting.fleet["a"].state / "lock").exists()))
            resume(sitting.context(), hosts="one")

    sitting.when = act
    assert sitting.upgrade()["one"].outcome == "upgraded"
    assert seen == [(["fetch.packages"], True)]


def test_a_pause_that_comes_too_late_does_not_prolong_the_downtime(
    sitting: Sitting, capsys: pytest.CaptureFixture[str]
) -> None:
    def act(event: Event) -> None:
        if event.kind == "step-finished" and event.step.endswith("stop.units") and event.host == "a":
            pause(sitting.context(), hosts="one")

    sitting.when = act
    assert sitting.upgrade()["one"].outcome == "upgraded"
    assert "is open; past its stop of st2 it goes on to its end" in capsys.readouterr().out
    assert sitting.titles("waiting") == []


def test_ctrl_c_ends_a_pause_and_the_same_command_goes_on(sitting: Sitting, capsys: pytest.CaptureFixture[str]) -> None:
    pause(sitting.context(), hosts="one")

    def stop(event: Event) -> None:
        if event.kind == "waiting":
            assert sitting.desk is not None
            sitting.desk.stopping = True

    sitting.when = stop
    outcomes = sitting.upgrade()
    assert [(each.outcome, each.exit_code) for each in outcomes.values()] == [("not attempted", 130)] * 2
    assert sitting.code() == 130 and sitting.ran("a") == []
    capsys.readouterr()
    resume(sitting.context(), hosts="one")
    assert capsys.readouterr().out.startswith("one: resumed; it was paused by ")
    resume(sitting.context(), hosts="one")
    assert capsys.readouterr().out == "one: not paused\n"
    sitting.when = lambda event: None
    assert {each.outcome for each in sitting.upgrade().values()} == {"upgraded"}


def test_a_dry_pause_writes_nothing(sitting: Sitting) -> None:
    assert "would be paused" in sitting.types("--dry", "pause", "--hosts", "pair").stdout
    assert list(sitting.fleet["b"].directory.glob("state/*")) == []


# The health gate.


def test_the_gate_looks_over_the_open_connection_and_waits_for_no_answer(sitting: Sitting) -> None:
    def fall_sick(event: Event) -> None:
        if event.kind == "deployment-finished" and event.deployment == "one":
            (sitting.fleet["a"].directory / "sick").touch()

    sitting.when = fall_sick
    outcomes = sitting.upgrade(GATED)
    assert outcomes["one"].error == "health gate: a: the API answers: API does not answer on port 9101, after 3 s"
    assert outcomes["pair"].outcome == "not attempted" and sitting.ran("b") == []
    assert sitting.fleet["a"].connections == 1
    # The verification itself waits up to a minute for a first answer; a look of the gate asks once.
    assert 3 <= len(sitting.fleet["a"].calls("curl")) <= 5


def test_who_recovers_in_time_is_through_the_gate(sitting: Sitting) -> None:
    sick = sitting.fleet["a"].directory / "sick"

    def fall_sick(event: Event) -> None:
        if event.kind == "deployment-finished" and event.deployment == "one":
            sick.touch()
        if event.kind == "waiting" and event.title.startswith("not healthy"):
            threading.Timer(1.0, sick.unlink).start()

    sitting.when = fall_sick
    assert {each.outcome for each in sitting.upgrade(Pace(soak_s=1, gate_deadline_s=30)).values()} == {"upgraded"}


def test_a_host_that_went_away_does_not_pass_the_gate(sitting: Sitting) -> None:
    def go_away(event: Event) -> None:
        if event.kind == "deployment-finished" and event.deployment == "one":
            sitting.fleet["a"].refuse_connections()
            sitting.fleet["a"].cut()

    sitting.when = go_away
    one = sitting.upgrade(GATED)["one"]
    assert one.outcome == "failed" and "connection refused" in one.error and one.exit_code == 3


# --skip-unreachable.


def test_deployments_with_a_host_where_nothing_answers_are_left_out_with_the_reason(sitting: Sitting) -> None:
    sitting.fleet["c"].refuse_connections()
    desk = Desk(sitting.context())
    skipped = unreachable(desk, desk.select(ENVIRONMENT, whole=True).deployments)
    port = sitting.fleet["c"].port
    assert [(each.name, each.hosts, each.reason) for each in skipped] == [
        ("pair", ("b", "c"), f"c: 127.0.0.1 port {port}: connection refused")
    ]
    desk.close()


def test_an_unknown_key_and_a_refused_login_are_no_reason_to_leave_out(sitting: Sitting) -> None:
    sitting.fleet["c"].refuse_connections()
    sitting.fleet["a"].change_host_key()
    desk = Desk(sitting.context())
    with pytest.raises(Unreachable, match="a: the host key of") as caught:
        unreachable(desk, desk.select(ENVIRONMENT, whole=True).deployments)
    assert not isinstance(caught.value, NoAnswer)
    desk.close()


def test_when_nobody_is_left_that_is_an_error(sitting: Sitting) -> None:
    for host in sitting.fleet.hosts.values():
        host.refuse_connections()
    desk = Desk(sitting.context())
    with pytest.raises(NoAnswer) as caught:
        unreachable(desk, desk.select(ENVIRONMENT, whole=True).deployments)
    assert caught.value.exit_code == 5 and caught.value.message.count("connection refused") == 3


def test_a_paused_deployment_without_a_run_is_not_touched_by_the_pause(sitting: Sitting) -> None:
    pause(sitting.context(), hosts="pair", reason='a "quoted"\nreason; $(exit 1)')
    journal = (sitting.fleet["b"].state / "journal").read_text()
    assert journal.count("\n") == 1 and 'a \\"quoted\\" reason; $(exit 1)' in journal
    resume(sitting.context(), hosts="pair")
    assert {each.outcome for each in sitting.upgrade(UNGATED).values()} == {"upgraded"}
    assert sitting.titles("waiting") == []
