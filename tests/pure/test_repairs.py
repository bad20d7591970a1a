"""The commands beside upgrade: Mistral's repair and upgrade, services stopped, started, restarted, reloaded."""

from dataclasses import replace

import pytest

from rollout import repairs
from rollout.catalogue import MISTRAL_UNITS
from rollout.errors import PlanRefused
from rollout.facts import Facts, MistralFacts, Session
from rollout.journal import Record
from rollout.model import DeploymentPlan, Repeat, Step, UnitState
from tests.pure.boxes import box, broken_mistral, by_name, deployment, mistral, settled_at, units


def hosts(*facts: Facts) -> dict[str, Facts]:
    return by_name(*facts)


def steps(plan: DeploymentPlan) -> dict[str, Step]:
    return {step.id: step for phase in plan.phases for step in phase.steps}


def recovered(*facts: Facts, drop_rows: bool = False) -> DeploymentPlan:
    return repairs.recover(deployment("pair", *by_name(*facts)), hosts(*facts), drop_rows)


def opened(*steps_begun: str) -> tuple[Record, ...]:
    """A journal with an upgrade open that has begun STEPS_BEGUN."""
    first = replace(
        settled_at("2.2.1", "a", "pair")[0],
        data={"command": "upgrade", "before": {"units": {"st2api": {"active": "active", "enabled": "disabled"}}}},
    )
    return (first, *(Record(1, "r0", "started", step=f"2.2.1:{each}", host="a", attempt=1) for each in steps_begun))


BROKEN = box("a", "2.2.1", mistral=broken_mistral())
SECOND = box("b", "2.2.1", mistral=broken_mistral())


# mistral.recover


def test_a_broken_database_is_stopped_dumped_dropped_upgraded_and_started_in_this_order() -> None:
    assert list(steps(recovered(BROKEN, SECOND))) == [
        "stop.mistral",
        "stop.mistral-leftovers",
        "stop.mistral-hold",
        "stop.mistral-quiet",
        "backup.mistral",
        "backup.seal",
        "mistral.quiet",
        "mistral.drop",
        "mistral.ready",
        "mistral.upgrade",
        "mistral.populate",
        "start.release",
        "start.units",
        "verify.units",
        "verify.mistral",
    ]


def test_the_three_services_stop_on_every_host_and_the_database_is_repaired_once() -> None:
    made = steps(recovered(BROKEN, SECOND))
    for name in ("stop.mistral", "stop.mistral-hold", "stop.mistral-quiet", "mistral.quiet", "start.release"):
        assert made[name].hosts == ("a", "b"), name
    for name in ("backup.mistral", "mistral.drop", "mistral.upgrade", "mistral.populate", "verify.mistral"):
        assert made[name].hosts == ("a",), name
    assert set(MISTRAL_UNITS) <= set(made["stop.mistral"].argv)
    assert made["mistral.drop"].repeat is Repeat.PROBE and made["mistral.drop"].postcondition


def test_st2_itself_is_left_alone() -> None:
    made = steps(recovered(BROKEN))
    assert not [word for word in made["stop.mistral"].argv + made["start.units"].argv if word.startswith("st2")]


def test_mistral_is_started_although_it_was_found_down() -> None:
    down = units("2.2.1", ("st2mistral",), UnitState("failed", "enabled"))
    made = steps(recovered(replace(BROKEN, units=down)))
    assert set(MISTRAL_UNITS) & set(made["start.units"].argv)


def test_a_hold_of_an_open_upgrade_stays() -> None:
    held = replace(BROKEN, journal=opened("packages.set"), hold="run r0")
    plan = recovered(held)
    assert not {"start.release", "start.units", "verify.units"} & set(steps(plan))
    assert any("r0" in note for note in plan.notes)


@pytest.mark.parametrize(
    ("state", "hint"),
    [
        ("old", "mistral.upgrade"),
        ("empty", "mistral.upgrade"),
        ("between", "mistral.upgrade"),
        ("half-installed", "install st2mistral again on a"),
        ("upgraded", "nothing needs repair"),
        ("recreated", "gone"),
        ("damaged", "backup"),
        ("unmanaged", "backup"),
        ("unknown-revision", "backup"),
        ("unreachable", "PostgreSQL"),
    ],
)
def test_any_other_state_is_refused_with_what_it_is(state: str, hint: str) -> None:
    facts = box("a", "2.2.1", mistral=mistral("2.2.1", state=state, sentence=f"it is {state}"))
    with pytest.raises(PlanRefused) as caught:
        recovered(facts)
    assert f"it is {state}" in caught.value.message and hint in caught.value.hint


def test_rows_are_dropped_only_when_it_is_said() -> None:
    rows = {"action_executions_v2": 3, "event_triggers_v2": 0, "executions_v2": 20}
    filled = box("a", "2.2.1", mistral=broken_mistral(rows=rows))
    with pytest.raises(PlanRefused) as caught:
        recovered(filled)
    assert "action_executions_v2 (3)" in caught.value.message and "--drop-rows" in caught.value.hint
    assert "executions_v2 (20)" not in caught.value.message.replace("action_executions_v2", "")
    assert "--drop-rows" in steps(recovered(filled, drop_rows=True))["mistral.drop"].argv
    assert "--drop-rows" not in steps(recovered(BROKEN))["mistral.drop"].argv


@pytest.mark.parametrize("drop_rows", [False, True])
def test_nothing_is_dropped_at_a_revision_whose_tables_are_the_real_store(drop_rows: bool) -> None:
    """Somebody typed `upgrade 013`, then a service started: what it did since stands in the tables."""
    far = box("a", "2.2.1", mistral=broken_mistral(revision="013", drop=("named_locks",)))
    with pytest.raises(PlanRefused) as caught:
        recovered(far, drop_rows=drop_rows)
    assert "at revision 012 or later" in caught.value.message and "restore the newest backup" in caught.value.hint


def test_what_is_dropped_is_what_the_plan_said() -> None:
    """The tables stand in the step itself: the host refuses when there are others by then."""
    plan = recovered(BROKEN)
    drop = broken_mistral().drop
    assert steps(plan)["mistral.drop"].argv == ("stormlift-host", "mistral", "drop", *drop)
    assert f"in one transaction, without CASCADE: DROP TABLE {', '.join(drop)}" in plan.notes


@pytest.mark.parametrize("plan_of", [repairs.upgrade_mistral, lambda d, f: repairs.recover(d, f, False)])
def test_a_database_that_others_work_on_is_left_alone(plan_of: repairs.Planner) -> None:
    others = (Session("10.9.9.9", "mistral-server", "mistral"), Session("10.0.0.2", "", "mistral"))
    shared = box("a", "2.2.1", mistral=broken_mistral(sessions=others), addresses=("10.0.0.2",))
    with pytest.raises(PlanRefused) as caught:
        plan_of(deployment("a"), hosts(shared))
    assert "mistral from 10.9.9.9 (mistral-server)" in caught.value.message and "10.0.0.2" not in caught.value.message


@pytest.mark.parametrize("state", ["broken", "old"])
def test_nothing_stops_where_the_dump_could_not_be_made(state: str) -> None:
    bare = box("a", "2.2.1", mistral=broken_mistral(state=state), tools=("apt-get", "pg_restore"))
    with pytest.raises(PlanRefused, match="pg_dump would be needed") as caught:
        (recovered if state == "broken" else upgraded)(bare)
    assert "install the PostgreSQL client" in caught.value.hint


@pytest.mark.parametrize("state", ["broken", "old"])
def test_hosts_that_use_another_database_are_not_taken_for_repaired(state: str) -> None:
    """The database of the first host alone would be repaired, and mistral started on the second host's all the same."""
    other = replace(SECOND, mistral=broken_mistral(state=state, identity="7/mistral"))
    with pytest.raises(PlanRefused, match="in another database") as caught:
        (recovered if state == "broken" else upgraded)(box("a", "2.2.1", mistral=broken_mistral(state=state)), other)
    assert "mistral.conf" in caught.value.hint


def test_the_plan_of_an_upgrade_shows_the_revisions_and_the_tables_they_make() -> None:
    old = mistral("2.1.1", state="old", head="020", pending=("012", "013"), creates={"012": ("event_triggers_v2",)})
    plan = repairs.upgrade_mistral(deployment("a"), hosts(box("a", "2.2.1", mistral=old)))
    (step,) = (step for phase in plan.phases for step in phase.steps if step.id == "mistral.upgrade")
    assert step.changes == "pending revisions: 012 (event_triggers_v2), 013"


def test_a_deployment_without_mistral_is_refused() -> None:
    with pytest.raises(PlanRefused, match="no host carries st2mistral"):
        recovered(box("a", "2.2.1", packages=("st2",)))
    with pytest.raises(PlanRefused, match=r"removed with 3\.3"):
        recovered(box("a", "3.4.1", packages=("st2",)))


@pytest.mark.parametrize("plan_of", [repairs.upgrade_mistral, lambda d, f: repairs.recover(d, f, False)])
def test_a_package_that_was_cut_off_while_it_was_configured_is_told_as_such(plan_of: repairs.Planner) -> None:
    """dpkg does not count it as installed, but it stands there and its database is asked for."""
    torn = box("a", "2.2.1", packages=("st2",), mistral=broken_mistral(), unhealthy=("dpkg --audit names packages",))
    with pytest.raises(PlanRefused) as caught:
        plan_of(deployment("a"), hosts(torn))
    assert "st2mistral is not whole: dpkg --audit" in caught.value.message
    assert "install st2mistral again on a" in caught.value.hint


@pytest.mark.parametrize("plan_of", [repairs.upgrade_mistral, lambda d, f: repairs.recover(d, f, False)])
@pytest.mark.parametrize(
    ("first", "second"),
    [
        # The package of a is older: what mistral of b broke is none of its tables.
        (mistral("2.1.1"), broken_mistral()),
        # Two databases, of which the first needs nothing.
        (mistral("2.2.1"), broken_mistral(identity="7/mistral")),
        (mistral("2.2.1"), mistral("2.2.1", identity="7/mistral")),
    ],
)
def test_hosts_that_see_different_databases_are_refused(
    plan_of: repairs.Planner, first: MistralFacts, second: MistralFacts
) -> None:
    facts = hosts(box("a", "2.2.1", mistral=first), box("b", "2.2.1", mistral=second))
    with pytest.raises(PlanRefused) as caught:
        plan_of(deployment("pair", "a", "b"), facts)
    assert f"b: {second.sentence}" in caught.value.message and "invoke mistral.status --hosts pair" in caught.value.hint


def test_a_host_that_cannot_look_at_the_database_does_not_hold_up_its_repair() -> None:
    mute = MistralFacts("unreachable", sentence="refused", cause="down")
    assert "mistral.drop" in steps(recovered(BROKEN, replace(SECOND, mistral=mute)))
    left = box("b", "2.2.1", packages=("st2",), mistral=mistral("2.1.1"))
    assert "mistral.drop" in steps(recovered(BROKEN, left))


def cut_off(command: str) -> tuple[Record, ...]:
    return (replace(settled_at("2.2.1", "a", "pair")[0], data={"command": command}),)


@pytest.mark.parametrize("state", ["old", "upgraded"])
def test_a_repair_that_was_cut_off_behind_its_drop_is_finished(state: str) -> None:
    facts = box("a", "2.2.1", mistral=mistral("2.2.1", state=state), journal=cut_off("mistral.recover"), hold="run r0")
    plan = recovered(facts)
    assert plan.command == "mistral.recover" and plan.abandons == "r0"
    assert {"mistral.upgrade", "mistral.populate", "start.release"} <= set(steps(plan))
    assert "mistral.drop" not in steps(plan)


def test_a_repair_that_was_cut_off_before_its_drop_is_planned_anew() -> None:
    plan = recovered(replace(BROKEN, journal=cut_off("mistral.recover")))
    assert plan.abandons == "r0" and "mistral.drop" in steps(plan)


@pytest.mark.parametrize("command", ["mistral.recover", "mistral.upgrade"])
def test_what_a_run_that_was_cut_off_had_stopped_is_started_again(command: str) -> None:
    """Started by hand, not enabled: after the stop of the first run nothing on the host tells that it ran."""
    ran = {"units": {"mistral-api": {"active": "active", "enabled": "disabled"}}}
    [opened] = cut_off(command)
    opened = replace(opened, data={**opened.data, "before": ran})
    stopped = {name: UnitState("inactive", "disabled") for name in MISTRAL_UNITS}
    left = replace(BROKEN, units={**BROKEN.units, **stopped}, journal=(opened,))
    assert steps(recovered(left))["start.units"].argv[-1] == "mistral-api"
    assert "start.units" not in steps(recovered(replace(left, journal=())))


# mistral.upgrade


def upgraded(*facts: Facts) -> DeploymentPlan:
    return repairs.upgrade_mistral(deployment("pair", *by_name(*facts)), hosts(*facts))


def test_an_old_database_is_upgraded_while_mistral_is_down_everywhere() -> None:
    old = mistral("2.1.1", state="old", head="020")
    made = steps(upgraded(box("a", "2.2.1", mistral=old), box("b", "2.2.1", mistral=old)))
    order = list(made)
    assert order.index("stop.mistral-quiet") < order.index("backup.mistral") < order.index("mistral.upgrade")
    assert order.index("mistral.populate") < order.index("start.units")
    assert made["stop.mistral-hold"].hosts == ("a", "b") and made["mistral.upgrade"].hosts == ("a",)


def test_a_database_at_its_head_needs_nothing() -> None:
    assert upgraded(box("a", "2.2.1")).empty


def test_an_upgrade_of_the_database_that_was_cut_off_is_finished() -> None:
    plan = upgraded(box("a", "2.2.1", journal=cut_off("mistral.upgrade")))
    assert plan.abandons == "r0" and {"mistral.populate", "start.units"} <= set(steps(plan))


def test_a_repair_that_was_cut_off_past_its_drop_is_finished_by_an_upgrade_of_the_database_too() -> None:
    """Mistral is held and down: to say that there is nothing to do would leave it so."""
    plan = upgraded(box("a", "2.2.1", journal=cut_off("mistral.recover"), hold="run r0"))
    assert plan.abandons == "r0" and {"mistral.populate", "start.release", "start.units"} <= set(steps(plan))


def test_a_broken_database_is_sent_to_recover() -> None:
    with pytest.raises(PlanRefused) as caught:
        upgraded(BROKEN)
    assert "invoke mistral.recover --hosts pair" in caught.value.hint


# services.*


def test_stopping_stops_all_and_proves_it_without_a_hold() -> None:
    made = steps(repairs.stop_services(deployment("a"), hosts(box("a", "2.0.1"))))
    assert list(made) == ["stop.units", "stop.leftovers", "stop.proved"]
    assert {"st2api", "mistral", "mistral-api", "mistral-server", "st2chatops"} <= set(made["stop.units"].argv)


def test_starting_releases_a_hold_and_starts_what_is_enabled() -> None:
    here = {"st2api": UnitState("inactive", "enabled"), "st2auth": UnitState("inactive", "disabled")}
    plan = repairs.start_services(deployment("a"), hosts(box("a", "2.0.1", units=here)))
    assert list(steps(plan)) == ["start.release", "start.units"] and plan.abandons == ""
    assert steps(plan)["start.units"].argv == ("systemctl", "start", "st2api")


def test_starting_gives_up_an_upgrade_that_has_not_touched_packages_and_starts_what_it_stopped() -> None:
    here = {"st2api": UnitState("inactive", "disabled"), "st2auth": UnitState("inactive", "enabled")}
    host = box("a", "2.0.1", journal=opened("stop.units"), units=here)
    plan = repairs.start_services(deployment("a"), hosts(host))
    assert plan.abandons == "r0"
    assert steps(plan)["start.units"].argv == ("systemctl", "start", "st2api")


def test_starting_is_refused_once_packages_are_begun() -> None:
    host = box("a", "2.2.1", journal=opened("packages.set"))
    with pytest.raises(PlanRefused) as caught:
        repairs.start_services(deployment("a"), hosts(host))
    assert "r0" in caught.value.message and "invoke upgrade --hosts a" in caught.value.hint


def test_a_restart_stops_proves_and_starts_what_ran() -> None:
    here = {"st2api": UnitState("active", "enabled"), "st2auth": UnitState("inactive", "enabled")}
    made = steps(repairs.restart_services(deployment("a"), hosts(box("a", "2.0.1", units=here))))
    assert list(made) == ["stop.units", "stop.leftovers", "stop.proved", "start.release", "start.units"]
    assert made["start.units"].argv == ("systemctl", "start", "st2api")


def test_a_restart_in_the_middle_of_an_upgrade_is_refused() -> None:
    host = box("a", "2.0.1", journal=opened("fetch.packages"))
    with pytest.raises(PlanRefused) as caught:
        repairs.restart_services(deployment("a"), hosts(host))
    assert "r0" in caught.value.message and "invoke upgrade --hosts a" in caught.value.hint


@pytest.mark.parametrize(
    ("state", "cure"),
    [
        ("old", "invoke mistral.upgrade --hosts a"),
        ("between", "invoke mistral.upgrade --hosts a"),
        ("empty", "invoke mistral.upgrade --hosts a"),
        ("broken", "invoke mistral.recover --hosts a"),
        ("damaged", "restore the newest backup"),
    ],
)
@pytest.mark.parametrize("plan_of", [repairs.start_services, repairs.restart_services])
def test_mistral_is_never_started_on_a_database_that_it_would_break(
    plan_of: repairs.Planner, state: str, cure: str
) -> None:
    facts = box("a", "2.2.1", mistral=mistral("2.1.1", state=state, sentence=f"it is {state}", head="020"))
    with pytest.raises(PlanRefused) as caught:
        plan_of(deployment("a"), hosts(facts))
    assert f"it is {state}" in caught.value.message and cure in caught.value.hint


def test_an_upgrade_that_serves_again_is_not_given_up_by_a_start() -> None:
    begun = opened("packages.set", "start.units")
    served = replace(begun[-1], event="finished")
    plan = repairs.start_services(deployment("a"), hosts(box("a", "2.2.1", journal=(*begun, served))))
    assert plan.abandons == "" and "start.units" in steps(plan)


def test_a_reload_registers_all_and_fails_loudly() -> None:
    made = steps(repairs.reload_services(deployment("pair", "a", "b"), hosts(box("a", "2.0.1"), box("b", "2.0.1"))))
    assert made["config.register-all"].argv[-2:] == ("--register-all", "--register-fail-on-failure")
    assert made["config.register-all"].hosts == ("a",)


@pytest.mark.parametrize("plan_of", [repairs.stop_services, repairs.start_services, repairs.restart_services])
def test_a_host_without_units_needs_no_unit_step(plan_of: repairs.Planner) -> None:
    plan = plan_of(deployment("web"), hosts(box("web", "2.0.1", packages=("st2web",))))
    assert not {"stop.units", "start.units"} & set(steps(plan))


@pytest.mark.parametrize("state", ["old", "upgraded"])
def test_a_repair_that_was_cut_off_behind_its_drop_goes_on_under_its_own_name_and_is_looked_at(state: str) -> None:
    left = box("a", "2.2.1", mistral=mistral("2.1.1", state=state, head="020"), journal=cut_off("mistral.recover"))
    plan = recovered(left)
    assert plan.command == "mistral.recover" and plan.abandons == "r0"
    assert {phase.hop for phase in plan.phases} == {"mistral.recover"}
    assert {"mistral.upgrade", "verify.mistral", "verify.units"} <= set(steps(plan)) and "mistral.drop" not in steps(
        plan
    )
