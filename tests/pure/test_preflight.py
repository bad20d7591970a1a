"""Every finding is provoked by the facts that it is about, and absent on healthy hosts."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from rollout import preflight
from rollout.facts import Facts, MistralFacts, Session
from rollout.journal import Record
from rollout.model import Finding, Severity
from rollout.preflight import inspect, shared_databases
from tests.pure.boxes import box, broken_mistral, by_name, mistral, settled_at, yum_box

TARGET = "2.2.1"
OLD = mistral("2.0.1", unfinished=0)


def healthy(**changes: object) -> Facts:
    return replace(box("a", "2.0.1", mistral=OLD), **changes)  # type: ignore[arg-type]


def found(*facts: Facts, target: str = TARGET) -> list[Finding]:
    return list(inspect("who", by_name(*facts), target))


@pytest.mark.parametrize(
    "facts",
    [
        [healthy()],
        [yum_box("a", "2.0.1", mistral=OLD)],
        [healthy(), replace(yum_box("b", "2.0.1"), mistral=OLD)],
        [box("a", "2.2.1", settled="2.2.1", mistral=mistral("2.2.1"))],
        [box("a", "1.4.0", mistral=OLD)],
        [healthy(), box("web", "2.0.1", packages=("st2web",))],
    ],
)
def test_healthy_hosts_have_no_finding(facts: list[Facts]) -> None:
    assert found(*facts) == []


def open_journal() -> Facts:
    opened = settled_at("2.2.1", "a", "a")[0]
    return box("a", "2.2.1", journal=(*settled_at("2.0.1", "a", "a"), replace(opened, run="r1")), hold="run r1")


def state(word: str, **changes: object) -> MistralFacts:
    return replace(OLD, state=word, sentence=f"it is {word}", **changes)  # type: ignore[arg-type]


PROVOKED: dict[str, tuple[list[Facts], str]] = {
    "distro-unknown": ([healthy(distro="", os_name="Fedora 30")], "Fedora 30"),
    "distro-ends": ([box("a", "2.0.1", distro="jessie", mistral=OLD)], "2.3.0 was never built for jessie"),
    "no-package-manager": ([healthy(manager="")], "neither apt nor yum"),
    "package-manager-differs": ([healthy(manager="yum")], "should have apt, the host has yum"),
    "init-unsupported": ([healthy(init="upstart")], "upstart"),
    "nothing-installed": ([healthy(), box("b", "2.0.1", packages=())], "no package of st2"),
    "packages-half-configured": ([healthy(unhealthy=("st2 is in state iF",))], "st2 is in state iF"),
    "package-held": ([healthy(held=("st2web",))], "st2web is held"),
    "candidate-missing": ([healthy(available={})], "offer no st2 2.2.1"),
    "versions-mixed": ([healthy(), box("b", "2.1.1", mistral=OLD)], "2.0.1: a:st2"),
    "journal-disagrees": (
        [box("a", "2.0.1", settled="2.0.1", mistral=OLD), box("b", "2.0.1", settled="1.5.1", mistral=OLD)],
        "a 2.0.1, b 1.5.1",
    ),
    "journal-damaged": ([healthy(damage="journal line 3: not JSON")], "line 3"),
    "upgraded-by-hand": (
        [box("a", "2.2.1", settled="2.0.1", mistral=OLD)],
        "2.2.1 is installed, the journal settled 2.0.1",
    ),
    "held": ([healthy(hold="run r1 since noon")], "run r1 since noon"),
    "dump-tools-missing": ([healthy(tools=("apt-get", "pg_dump"))], "pg_restore would be needed"),
    "mistral-broken": ([healthy(mistral=broken_mistral(unfinished=0))], "broken"),
    "mistral-damaged": ([healthy(mistral=state("damaged"))], "damaged"),
    "mistral-unmanaged": ([healthy(mistral=state("unmanaged"))], "unmanaged"),
    "mistral-unknown-revision": ([healthy(mistral=state("unknown-revision"))], "unknown-revision"),
    "mistral-unreachable": ([healthy(mistral=state("unreachable"))], "unreachable"),
    "mistral-half-installed": ([healthy(mistral=state("half-installed"))], "half-installed"),
    "mistral-between": ([healthy(mistral=state("between"))], "between"),
    "mistral-shared": ([healthy(mistral=replace(OLD, sessions=(Session("10.9.9.9", "", "mistral"),)))], "10.9.9.9"),
    "mistral-recreated": ([healthy(mistral=state("recreated"))], "recreated"),
    "mistral-unfinished": ([healthy(mistral=replace(OLD, unfinished=2))], "2 executions"),
    "databases-differ": ([healthy(), healthy(host="b", mistral=replace(OLD, identity="7/mistral"))], "7/mistral"),
    "disk-short": ([healthy(free_kib={"/var": 1000, "/opt": 80 << 20})], "/var has 0 MiB free"),
}
OFTEN_TOGETHER = {"distro-ends", "candidate-missing", "nothing-installed", "versions-mixed", "journal-disagrees"}
WARNINGS = {"mistral-recreated", "mistral-unfinished", "mistral-between"}


@pytest.mark.parametrize("key", PROVOKED)
def test_a_finding_names_host_cause_and_remedy(key: str) -> None:
    facts, cause = PROVOKED[key]
    findings = found(*facts, target="2.3.0" if key == "distro-ends" else TARGET)
    mine = [each for each in findings if each.key == key]
    assert mine and any(cause in each.cause for each in mine)
    for each in mine:
        assert each.severity is (Severity.WARNING if key in WARNINGS else Severity.INHIBITOR)
        assert each.host in {"who", *(host.host for host in facts)} and each.remedy
    if key not in OFTEN_TOGETHER:
        assert {each.key for each in findings} == {key}, "one cause, one finding"


def test_no_finding_of_the_code_is_without_its_test() -> None:
    text = Path(preflight.__file__).read_text()
    keys = set(re.findall(r'(?:_stop|Finding)\(\s*"([a-z-]+)"', text)) - {"database-shared"}
    assert keys <= set(PROVOKED)


def test_a_run_that_is_open_explains_what_would_be_findings() -> None:
    facts = replace(open_journal(), mistral=state("old", head="020"))
    assert not {each.key for each in found(facts)} & {"held", "upgraded-by-hand", "versions-mixed"}


def test_what_was_settled_by_hand_is_no_finding_any_more() -> None:
    by_hand = Record(1, "r9", "settled", 9, data={"release": "2.0.1", "baseline": True})
    facts = box("a", "2.2.1", journal=(*settled_at("2.1.1", "a", "a"), by_hand), mistral=mistral("2.2.1"))
    assert found(facts) == []


def test_a_stop_on_the_way_is_looked_at_like_the_target() -> None:
    without = {"st2": ("2.0.1-8",)}
    facts = by_name(yum_box("a", "1.4.0", packages=("st2",), available=without))
    assert inspect("who", facts, "2.0.1") == ()
    (finding,) = inspect("who", facts, "2.0.1", ("1.5.1", "2.0.1"))
    assert (finding.key, finding.host) == ("candidate-missing", "a") and "1.5.1" in finding.cause


def test_room_for_the_dump_is_counted() -> None:
    big = replace(OLD, size=5 << 30)
    (finding,) = found(healthy(mistral=big, free_kib={"/var": 4 << 20, "/opt": 4 << 20}))
    assert finding.key == "disk-short" and "/var" in finding.cause and "6144 MiB" in finding.cause


def test_what_holds_is_what_lets_go() -> None:
    recovering = replace(settled_at("2.2.1", "a", "a")[0], data={"command": "mistral.recover"})
    facts = box("a", "2.2.1", hold="run r1", journal=(recovering,), mistral=mistral("2.2.1"))
    (finding,) = found(facts)
    assert finding.key == "held" and finding.remedy.endswith("invoke mistral.recover --hosts who")


def test_an_unfinished_execution_matters_only_on_the_way_over_2_2() -> None:
    facts = healthy(mistral=replace(OLD, unfinished=2))
    assert found(facts, target="2.1.1") == []
    assert found(box("a", "2.2.0", mistral=mistral("2.2.0", unfinished=2))) == []


def test_remedies_are_commands_that_exist_for_this_deployment() -> None:
    for facts, _ in PROVOKED.values():
        for each in found(*facts):
            if "invoke " in each.remedy and "migrations" not in each.remedy:
                assert "--hosts who" in each.remedy


def test_two_deployments_on_one_database_are_an_inhibitor() -> None:
    one, two = healthy(), healthy(host="b")
    (finding,) = shared_databases({"first": by_name(one), "second": by_name(two)})
    assert (finding.key, finding.severity, finding.host) == ("database-shared", Severity.INHIBITOR, "b")
    assert "second and first" in finding.cause
    other = replace(two, mistral=replace(OLD, identity="8/mistral"))
    assert shared_databases({"first": by_name(one), "second": by_name(other)}) == ()
    assert shared_databases({"pair": by_name(one, two)}) == ()
    unknown = replace(two, mistral=replace(OLD, identity=""))
    assert shared_databases({"first": by_name(replace(one, mistral=unknown.mistral)), "second": by_name(unknown)}) == ()
