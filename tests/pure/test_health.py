"""invoke health: the checks of an upgrade's end, made of hosts as they are."""

from rollout.facts import Facts
from rollout.health import Checked, checks, report
from rollout.model import Kind, Step, UnitState
from tests.pure.boxes import box, by_name

DOWN = UnitState("failed", "enabled")
OFF = UnitState("inactive", "disabled")


def made(*facts: Facts, exercise: bool = False) -> dict[str, Step]:
    return {step.id: step for step in checks(by_name(*facts), exercise=exercise)}


def test_a_box_is_asked_for_packages_units_api_and_mistral() -> None:
    assert set(made(box("a", "2.2.1"))) == {"verify.packages", "verify.units", "verify.api", "verify.mistral"}


def test_every_check_only_looks_unless_it_is_to_exercise() -> None:
    host = box("a", "2.2.1")
    assert all(step.kind is Kind.CHECK and step.argv[0] == "stormlift-host" for step in made(host).values())
    assert set(made(host, exercise=True)) - set(made(host)) == {"verify.core-local"}


def test_a_unit_that_starts_at_boot_and_is_down_is_asked_for() -> None:
    """All the others run: what runs now is no measure of what should."""
    host = box("a", "2.2.1")
    host.units["st2notifier"] = DOWN
    host.units["st2resultstracker"] = OFF
    argv = made(host)["verify.units"].argv
    assert "st2notifier" in argv and "st2resultstracker" not in argv


def test_a_host_without_st2_is_asked_for_nothing() -> None:
    assert made(box("db", "2.2.1", packages=())) == {}


def test_what_is_once_for_a_deployment_is_asked_on_one_host() -> None:
    asked = [(step.id, step.hosts) for step in checks(by_name(box("a", "2.2.1"), box("b", "2.2.1")), exercise=False)]
    assert [hosts for name, hosts in asked if name == "verify.mistral"] == [("a",)]
    assert {host for name, hosts in asked if name == "verify.units" for host in hosts} == {"a", "b"}


def test_one_check_that_is_not_so_makes_a_host_sick_and_says_why() -> None:
    (step, other, *_) = made(box("a", "2.2.1")).values()
    said = report([Checked("pair", "a", step, "st2api is failed"), Checked("pair", "b", other)])
    assert {host["name"]: host["healthy"] for host in said["hosts"]} == {"a": False, "b": True}
    assert said["hosts"][0]["checks"][0]["said"] == "st2api is failed" and said["schema"] == "stormlift.health/1"
