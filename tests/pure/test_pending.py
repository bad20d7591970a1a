"""Which steps a deployment has not been through, as migrations.pending and status tell it; and what has drifted."""

from dataclasses import replace

import migrations
from rollout.drift import drift
from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import UnitState
from rollout.pending import Due, due, report, target_of
from rollout.status import status, status_rows
from tests.pure.boxes import box, by_name, deployment, settled_at

PAIR = deployment("pair", "a", "b")
SCOPES = "2.1.datastore-scopes"


def told(*facts: Facts, to: str = "", target: str = "") -> dict[str, Due]:
    where = deployment("pair", *(each.host for each in facts), target=target)
    return {each.step.id: each for each in due(where, by_name(*facts), migrations.ALL, to)}


def opened(name: str, release: str, *finished: str) -> Facts:
    """A host whose upgrade to 2.1.1 is open, with the steps that it has FINISHED."""
    begun = Record(1, "r1", "opened", 4, "pair", name, data={"command": "upgrade", "to": "2.1.1"})
    done = (replace(begun, event="finished", scope="deployment", step=f"2.1.1:{step}", data={}) for step in finished)
    return box(name, release, journal=(*settled_at("2.0.1", name, "pair"), begun, *done))


def test_a_deployment_that_is_where_it_is_to_be_has_nothing_pending() -> None:
    assert told(box("a", "2.2.1", settled="2.2.1")) == {}
    assert told(box("a", "2.0.1")) == {}
    assert told(box("db", "2.0.1", packages=())) == {}


def test_a_target_of_the_inventory_asks_for_the_steps_on_the_way() -> None:
    steps = told(box("a", "2.0.1"), target="2.2.1")
    assert steps[SCOPES].why == "on the way from 2.0.1 to 2.2.1" and steps[SCOPES].release == "2.1.0"
    assert SCOPES not in told(box("a", "2.0.1"), target="2.0.1")
    assert SCOPES not in told(box("a", "2.0.1"), to="2.0.1", target="2.2.1")


def test_packages_that_went_ahead_of_the_journal_leave_their_steps_pending() -> None:
    """Somebody upgraded by hand, or a run died between packages and migrations: dpkg shows the target already."""
    assert SCOPES in told(box("a", "2.2.1", settled="2.0.1"))


def test_what_the_data_shows_is_pending_although_the_release_is_past() -> None:
    steps = told(box("a", "2.2.1", evidence={"keys-old-scope": 3}))
    assert steps[SCOPES].why == "the data shows that it was never run: 3 keys under the old scopes"


def test_what_an_open_upgrade_has_finished_is_not_pending_any_more() -> None:
    assert SCOPES in told(opened("a", "2.1.1"))
    assert SCOPES not in told(opened("a", "2.1.1", SCOPES))
    assert SCOPES not in told(opened("a", "2.1.1", SCOPES), opened("b", "2.1.1")), "a copy is missing on one host"
    assert target_of(PAIR, by_name(opened("a", "2.0.1"))) == "2.1.1"


def test_only_hosts_that_a_step_is_for_have_it_pending() -> None:
    front = box("b", "2.0.1", packages=("st2web",))
    assert told(box("a", "2.0.1"), front, target="2.2.1")[SCOPES].hosts == ("a",)


def test_the_report_says_where_a_deployment_is_and_where_it_is_to_be() -> None:
    steps = tuple(told(box("a", "2.0.1"), target="2.1.1").values())
    said = report({"pair": ("2.0.1", "2.1.1", steps)})
    (row,) = said["deployments"]
    assert (said["schema"], row["at"], row["to"]) == ("stormlift.pending/1", "2.0.1", "2.1.1")
    assert {"id", "release", "phase", "scope", "title", "hosts", "why", "source"} == set(row["steps"][0])


# drift


def settled_with(name: str, release: str, **units: str) -> Facts:
    """A host whose last run settled RELEASE; UNITS ran when it began, with what they are now."""
    first, *rest = settled_at(release, name, "pair")
    kept = {unit: {"active": "active", "enabled": "enabled"} for unit in units}
    journal = (replace(first, data={**first.data, "before": {"units": kept}}), *rest)
    now = {unit: UnitState(active, "enabled") for unit, active in units.items()}
    return box(name, release, journal=journal, units=now)


def test_a_deployment_as_it_was_settled_has_no_drift() -> None:
    assert drift(by_name(box("a", "2.2.1", settled="2.2.1"), box("b", "2.2.1", settled="2.2.1"))) == {"a": (), "b": ()}
    assert drift(by_name(box("a", "2.2.1"))) == {"a": ()}


def test_packages_that_nobody_settled_are_drift() -> None:
    assert drift(by_name(box("a", "2.2.1", settled="2.0.1")))["a"] == ("2.2.1 is installed, 2.0.1 was settled",)


def test_a_package_that_was_left_behind_or_went_ahead_is_drift() -> None:
    odd = box("a", "2.2.1", installed={"st2": "2.2.1-8", "st2web": "2.0.1-3"})
    assert drift(by_name(odd))["a"] == ("packages of another release: st2web 2.0.1-3",)


def test_hosts_of_one_deployment_that_differ_are_drift_on_both() -> None:
    said = drift(by_name(box("a", "2.2.1", packages=("st2",)), box("b", "2.0.1", packages=("st2",))))
    assert said == {"a": ("b has st2 2.0.1-8",), "b": ("a has st2 2.2.1-8",)}


def test_a_unit_that_ran_before_the_last_settled_run_and_is_down_is_drift() -> None:
    host = settled_with("a", "2.2.1", st2api="active", st2notifier="failed")
    assert drift(by_name(host))["a"] == ("down since the last settled run: st2notifier",)


def test_nothing_is_drift_while_an_upgrade_is_open() -> None:
    assert drift(by_name(opened("a", "2.1.1"), box("b", "2.0.1"))) == {"a": (), "b": ()}


def test_status_shows_both_for_every_host() -> None:
    facts = by_name(box("a", "2.2.1", settled="2.0.1"), box("b", "2.2.1", settled="2.0.1"))
    data = status([PAIR], facts, migrations.ALL)
    assert [host["drift"] for host in data["hosts"]] == [["2.2.1 is installed, 2.0.1 was settled"]] * 2
    assert all(SCOPES in host["pending"] for host in data["hosts"])
    head, rows = status_rows(data)
    remarks = dict(zip(head, rows[0], strict=True))["remarks"]
    assert "drift: 2.2.1 is installed" in remarks and f"pending: {SCOPES}" in remarks
