"""How long st2 is expected to be down: from what went before, and a word on what nobody measured."""

from dataclasses import replace

from hypothesis import given, settings

import migrations
from rollout import repairs
from rollout.batches import UNGATED, Pace
from rollout.durations import BETWEEN_PHASES_S, LAB, MISTRAL_STOPS_S, earlier, expected
from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import Phase, PhasePlan
from rollout.plan import plan, whole
from rollout.text import duration, plan_text
from tests.pure.boxes import box, by_name, deployment, yum_box
from tests.pure.sketch import once, phase, step
from tests.pure.strategies import Site
from tests.pure.test_plan_properties import journeys

BARRIERS = 2 * BETWEEN_PHASES_S


def ran(id_: str, seconds: int, host: str, run: str = "r1", code: int = 0, **more: object) -> tuple[Record, ...]:
    """The records of a step that took SECONDS on HOST."""
    begun = Record(1, run, "started", 100, host=host, step=f"2.0.1:{id_}", attempt=1)
    return begun, replace(begun, event="finished", at=100 + seconds, code=code, data=dict(more))


def hosts(*records: Record) -> dict[str, Facts]:
    return {name: Facts(name, journal=tuple(each for each in records if each.host == name)) for name in ("a", "b")}


def stop_and_start(*between: PhasePlan) -> tuple[PhasePlan, ...]:
    stop = phase(Phase.STOP, step("stop.leftovers", phase=Phase.STOP))
    return (stop, *between, phase(Phase.START, step("start.x", phase=Phase.START)))


def seconds(phases: tuple[PhasePlan, ...], facts: dict[str, Facts]) -> int:
    return expected(phases, facts).seconds


def test_a_step_takes_what_it_took_on_that_host_and_hosts_work_side_by_side() -> None:
    phases = stop_and_start(phase(Phase.PACKAGES, step("one"), step("two")))
    records = (*ran("one", 40, "a"), *ran("two", 5, "a"), *ran("one", 10, "b"), *ran("two", 50, "b"))
    assert seconds(phases, hosts(*records)) == BARRIERS + BETWEEN_PHASES_S + 60


def test_what_runs_once_is_waited_for_by_all() -> None:
    phases = stop_and_start(phase(Phase.PACKAGES, step("one"), once("db", "a"), step("two")))
    records = (
        *ran("one", 40, "a"),
        *ran("one", 10, "b"),
        *ran("db", 7, "a"),
        *ran("two", 1, "a"),
        *ran("two", 30, "b"),
    )
    assert seconds(phases, hosts(*records)) == BARRIERS + BETWEEN_PHASES_S + 40 + 7 + 30


def test_a_host_without_a_past_goes_by_the_slowest_of_its_deployment() -> None:
    phases = stop_and_start(phase(Phase.PACKAGES, step("packages.set", "b")))
    assert seconds(phases, hosts(*ran("packages.set", 90, "a"))) == BARRIERS + BETWEEN_PHASES_S + 90


def test_without_any_past_the_lab_counts_and_the_basis_says_so() -> None:
    phases = stop_and_start(phase(Phase.PACKAGES, step("packages.set")))
    found = expected(phases, hosts())
    assert found.seconds == BARRIERS + BETWEEN_PHASES_S + LAB["packages.set"]
    assert found.basis == (
        "steps as in a lab with small packages and databases; not counted, as nobody has measured it: start.x"
    )
    found = expected(phases, hosts(*ran("start.x", 4, "a")))
    assert (
        found.basis
        == "1 of 3 steps as they went on these hosts before, 2 as in a lab with small packages and databases"
    )


def test_a_real_mistral_takes_a_minute_to_stop_until_it_was_seen_to_be_faster() -> None:
    units = step("stop.units", phase=Phase.STOP, argv=("systemctl", "stop", "st2api", "mistral-server"))
    phases = (phase(Phase.STOP, units),)
    found = expected(phases, hosts())
    assert found.seconds == BETWEEN_PHASES_S + MISTRAL_STOPS_S
    assert found.basis.endswith("the stop as long as Mistral's engine takes (61 s)")
    assert seconds(phases, hosts(*ran("stop.units", 9, "a"), *ran("stop.units", 8, "b"))) == BETWEEN_PHASES_S + 9


def test_what_failed_or_was_found_done_says_nothing_and_the_newest_counts() -> None:
    records = (
        *ran("x", 5, "a", "r1"),
        *ran("x", 9, "a", "r2"),
        *ran("x", 1, "a", "r3", 1),
        *ran("x", 2, "a", "r4", proved=1),
    )
    assert earlier(records) == {("x", "a"): 9}


def test_every_stop_counts_and_what_goes_on_while_st2_serves_does_not() -> None:
    fetch, verify = phase(Phase.FETCH, step("fetch.packages")), phase(Phase.VERIFY, step("verify.api"))
    past = hosts(*ran("fetch.packages", 600, "a"), *ran("verify.api", 600, "a"), *ran("stop.leftovers", 3, "a"))
    one = seconds((fetch, *stop_and_start(), verify), past)
    second = tuple(replace(each, hop="2.3.0") for each in stop_and_start())
    assert one == BARRIERS + 3
    assert seconds((fetch, *stop_and_start(), verify, *second), past) == 2 * one


def test_how_much_of_it_is_the_backup_is_said_and_what_is_copied_before_the_stop_is_not() -> None:
    kept = phase(Phase.BACKUP, step("backup.config"), once("backup.mistral", "a"))
    early = phase(Phase.FETCH, step("backup.files"))
    records = (*ran("backup.config", 4, "a"), *ran("backup.config", 9, "b"), *ran("backup.mistral", 30, "a"))
    past = hosts(*records, *ran("backup.files", 600, "a"))
    found = expected((early, *stop_and_start(kept)), past)
    assert found.backup == 9 + 30
    assert found.seconds == BARRIERS + BETWEEN_PHASES_S + found.backup
    made = plan(deployment("st2-a"), by_name(box("st2-a", "2.0.1")), "2.2.1", migrations.ALL)
    assert 0 < made.backup_s < made.downtime_s
    assert f"about {duration(made.downtime_s)}, {duration(made.backup_s)} of it the backup. An" in plan_text(
        whole([made], UNGATED)
    )


def test_a_host_that_goes_ahead_is_down_by_itself() -> None:
    ahead = phase(Phase.STOP, step("stop.leftovers", "b", phase=Phase.STOP), ahead="b")
    others = phase(Phase.STOP, step("stop.leftovers", "a", phase=Phase.STOP))
    past = hosts(*ran("stop.leftovers", 5, "b"), *ran("stop.leftovers", 20, "a"))
    assert seconds((ahead, others), past) == BETWEEN_PHASES_S + 20


@settings(max_examples=10, deadline=None)
@given(journeys)
def test_a_plan_that_stops_anything_says_for_how_long(journey: tuple[Site, tuple[str, ...]]) -> None:
    site, way = journey
    made = plan(site.deployment, site.facts, way[-1], migrations.ALL)
    assert made.downtime_s > 0 and made.downtime_from


def test_over_the_whole_roll_the_longest_of_each_batch_counts() -> None:
    boxes = {name: by_name(box(name, "2.0.1")) for name in ("st2-a", "st2-b", "st2-c")}
    plans = [plan(deployment(name), facts, "2.2.1", migrations.ALL) for name, facts in boxes.items()]
    slow = replace(plans[1], downtime_s=500)
    assert whole((plans[0], slow, plans[2]), Pace("1,100%")).downtime_s == plans[0].downtime_s + 500
    assert "expected downtime over the whole roll, batch after batch: about 10 min" in plan_text(
        whole((plans[0], slow, plans[2]), Pace("1,100%"))
    )


def test_what_stops_nothing_for_a_while_says_nothing_of_a_downtime() -> None:
    boxes = [box(name, "2.2.1", settled="2.2.1") for name in ("a", "b")]
    for command in (repairs.stop_services, repairs.reload_services):
        plans = [command(deployment(each.host), by_name(each)) for each in boxes]
        assert "expected downtime" not in plan_text(whole(plans, UNGATED))
    restarts = [repairs.restart_services(deployment(each.host), by_name(each)) for each in boxes]
    assert plan_text(whole(restarts, UNGATED)).count("expected downtime") == 2  # of each, and of the whole


def test_seconds_are_said_as_an_operator_says_them() -> None:
    assert [duration(each) for each in (0, 95, 180, 3600, 7500)] == ["0 s", "95 s", "3 min", "60 min", "2 h 5 min"]


def test_single_boxes_that_go_through_the_same_are_one_tree() -> None:
    boxes = [box(f"st2-{letter}", "2.0.1") for letter in "abcd"]
    odd = yum_box("st2-e", "2.0.1")
    more = replace(boxes[2], mistral=boxes[2].mistral and replace(boxes[2].mistral, rows={"executions_v2": 7}))
    plans = [
        plan(deployment(each.host), by_name(each), "2.2.1", migrations.ALL)
        for each in (*boxes[:2], more, boxes[3], odd)
    ]
    text = plan_text(whole(plans, Pace()))
    assert text.count("st2-[a-d] (4 deployments of one host each): upgrade 2.0.1 -> 2.2.1") == 1
    assert text.count("\nst2-e (st2-e): upgrade 2.0.1 -> 2.2.1") == 1
    assert text.count("[packages.set, if interrupted: probe] on each") == 1
    assert "note: st2-c: `mistral execution-list` will be empty afterwards: 7 old records" in text
    assert "note: st2-a: `mistral execution-list` will be empty afterwards: 20 old records" in text
