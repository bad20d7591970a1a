"""How long st2 was down: on every host, with and without the backup, as the journals say and as the summary tells."""

from dataclasses import replace

import pytest

import migrations
from rollout.downtime import BACKUP, Down, downtime, longest
from rollout.errors import StepFailed
from rollout.journal import Record
from rollout.model import DeploymentPlan, Phase
from rollout.plan import plan as planned
from rollout.roll import Outcome
from tasks.work import Result, result_json, summary_rows
from tests.pure.boxes import box, by_name, deployment, yum_box
from tests.pure.fleet import Fleet
from tests.pure.sketch import once, phase, plan, step

SECONDS = {
    "backup.files": 500.0,
    "stop.units": 5.0,
    "backup.config": 10.0,
    "backup.mistral": 20.0,
    "backup.store": 30.0,
    "packages.set": 60.0,
    "start.units": 7.0,
}


def one_hop(hop: str = "2.2.1", database: str = "a") -> DeploymentPlan:
    """A pair through a hop: both keep their own, a dumps Mistral's database, DATABASE the other one."""
    names = ((Phase.STOP, "stop.units"), (Phase.PACKAGES, "packages.set"), (Phase.START, "start.units"))
    stop, packages, start = (phase(name, step(each), hop=hop) for name, each in names)
    shared = (once("backup.mistral", "a"), once("backup.store", database))
    backup = phase(Phase.BACKUP, step("backup.config"), *shared, hop=hop)
    return plan(phase(Phase.FETCH, step("backup.files"), hop=hop), stop, backup, packages, start)


def measured(planned: DeploymentPlan, seconds: dict[str, float] | None = None) -> dict[str, Down]:
    fleet = Fleet("a", "b")
    fleet.world.seconds = seconds or SECONDS
    run = fleet.run(planned)
    run.execute()
    return {each.host: each for each in run.downtimes}


def test_what_is_copied_while_st2_serves_is_no_downtime_and_what_is_dumped_for_all_holds_all_up() -> None:
    found = measured(one_hop())
    assert found["a"].backup_s == found["b"].backup_s == 10 + 20 + 30
    assert all(5 + 10 + 20 + 30 + 60 + 7 <= each.downtime_s < 500 for each in found.values())


def test_dumps_on_two_hosts_go_on_side_by_side_and_the_longer_one_counts() -> None:
    assert {each.backup_s for each in measured(one_hop(database="b")).values()} == {10 + 30}


def test_every_stop_of_the_way_counts_with_its_backup() -> None:
    first, second = one_hop("2.1.1"), one_hop("2.2.1")
    found = measured(replace(first, phases=first.phases + second.phases))
    once_ = measured(one_hop())
    assert found["a"].backup_s == 2 * once_["a"].backup_s
    assert found["a"].downtime_s == 2 * once_["a"].downtime_s


def test_a_dump_that_failed_and_was_tried_again_counts_twice_and_the_wait_between_is_not_the_backup() -> None:
    fleet = Fleet("a", "b")
    fleet.world.seconds = SECONDS
    fleet.world.fail("a", "backup.mistral", 1)
    with pytest.raises(StepFailed):
        fleet.run(one_hop()).execute()
    fleet.clock.sleep(3600.0)
    run = fleet.again(one_hop())
    run.execute()
    (a, b) = run.downtimes
    assert a.backup_s >= 10 + 20 + 20 + 30 and a.backup_s < 3600 < a.downtime_s
    assert a.backup_s == b.backup_s


def record(event: str, at: int, step: str, host: str = "a", scope: str = "host") -> Record:
    return Record(1, "r1", event, at, host=host, step=f"2.2.1:{step}", attempt=1, scope=scope)


def ran(step: str, begun: int, ended: int, host: str = "a", scope: str = "host") -> tuple[Record, ...]:
    return record("started", begun, step, host, scope), record("finished", ended, step, host, scope)


def test_a_dump_on_a_host_whose_clock_is_hours_ahead_counts_for_what_it_took() -> None:
    stop, start = ran("stop.units", 100, 105), ran("start.units", 190, 197)
    ahead = ran("backup.mistral", 90000, 90030, "b", "deployment")
    assert downtime("a", (*stop, *ahead, *start), "r1") == Down("a", 97, 30)


def test_the_backup_is_never_longer_than_the_stop_that_it_was_taken_in() -> None:
    stepped = ran("backup.mistral", 100, 9000, "b", "deployment")  # its clock was set meanwhile
    records = (*ran("stop.units", 100, 105), *stepped, *ran("start.units", 190, 197))
    assert downtime("a", records, "r1") == Down("a", 97, 97)


def test_what_is_still_down_says_nothing_yet() -> None:
    assert downtime("a", (*ran("stop.units", 100, 105), *ran("backup.config", 105, 115)), "r1") == Down("a")
    assert longest(()) == Down("")


def test_every_step_of_the_backup_is_named_as_one_and_no_other_is() -> None:
    facts = by_name(box("st2-a", "1.4.0"), yum_box("st2-b", "1.4.0"))
    made = planned(deployment("st2-a", "st2-b"), facts, "2.2.1", migrations.ALL)
    later = [(each.name, one.id) for each in made.phases for one in each.steps if each.name is not Phase.FETCH]
    assert any(name is Phase.BACKUP for name, _ in later)
    assert [id_ for name, id_ in later if id_.startswith(BACKUP)] == [
        id_ for name, id_ in later if name is Phase.BACKUP
    ]


# What is told of it.


def outcome(*downs: Down) -> Outcome:
    return Outcome("pair", "upgraded", tuple(each.host for each in downs), run="r1").down(downs)


def test_the_summary_tells_every_host_that_was_down_for_another_time() -> None:
    alike = outcome(Down("st2-1", 40, 8), Down("st2-2", 40, 8))
    assert summary_rows(alike) == [("pair", "st2-1, st2-2", "upgraded", "40 s", "8 s")]
    apart = outcome(Down("st2-1", 40, 8), Down("st2-2", 44, 9), Down("st2-3", 40, 8), Down("web", 0, 0))
    assert summary_rows(apart) == [
        ("pair", "st2-1, st2-2, st2-3, web", "upgraded", "44 s", "9 s"),
        ("", "st2-1, st2-3", "", "40 s", "8 s"),
        ("", "st2-2", "", "44 s", "9 s"),
        ("", "web", "", "-", "-"),
    ]


def test_who_was_not_touched_was_not_down() -> None:
    assert summary_rows(Outcome("c", "not attempted", ("c-1",))) == [("c", "c-1", "not attempted", "-", "-")]


def test_the_result_as_json_has_both_for_the_deployment_and_for_each_host() -> None:
    (row,) = result_json(Result([outcome(Down("st2-1", 40, 8), Down("st2-2", 44, 2))]), "r1", "upgrade")["deployments"]
    assert (row["downtime_s"], row["backup_s"], row["hosts"]) == (44, 2, ["st2-1", "st2-2"])
    assert row["downtimes"] == [
        {"host": "st2-1", "downtime_s": 40, "backup_s": 8},
        {"host": "st2-2", "downtime_s": 44, "backup_s": 2},
    ]
