"""What the releases on the way ask to be looked at or done first, from the facts of hosts."""

from dataclasses import replace

import pytest

import migrations
from rollout.concerns import findings
from rollout.facts import Facts
from rollout.model import Kind, Severity
from rollout.path import find
from rollout.phases import IN_CONTENT
from tests.pure.boxes import box, by_name, yum_box
from tests.pure.test_evidence import PACK_FILES

STEPS = [step for migration in migrations.ALL for step in migration.steps]


def found(target: str, *hosts: Facts) -> dict[str, tuple[Severity, str, str]]:
    facts = by_name(*hosts)
    hops = find(hosts[0].release, target, migrations.ALL, distros=sorted({host.distro for host in hosts}))
    return {each.key: (each.severity, each.host, each.cause) for each in findings(facts, hops)}


def test_what_is_found_in_packs_is_told_with_its_place_and_a_way_out() -> None:
    host = yum_box("y", "2.2.1", evidence={"runner-names": 3}, places={"runner-names": "/opt/x/a.yaml:2"})
    severity, where, cause = found("2.10.4", host)["2.10.old-runner-names"]
    assert severity is Severity.INHIBITOR and where == "y"
    assert "3 found, the first at /opt/x/a.yaml:2" in cause
    assert "2.10.old-runner-names" not in found("2.10.4", yum_box("y", "2.2.1"))
    assert "2.10.old-runner-names" not in found("2.9.1", host)


def test_what_a_later_hop_asks_does_not_stop_the_first_one() -> None:
    host = yum_box("y", "2.2.1", evidence={"mistral-actions": 1}, versions={"mongodb": "3.4.24"})
    told = found("3.8.1", host)
    for key in ("3.3.mistral-removed", "3.3.mongodb-4.0"):
        severity, _, cause = told[key]
        assert severity is Severity.WARNING and "before 3.8.1, at the latest at the stop 3.2.0" in cause
    at_the_stop = yum_box("y", "3.2.0", evidence={"mistral-actions": 1}, versions={"mongodb": "3.4.24"})
    told = found("3.8.1", at_the_stop)
    assert {told[key][0] for key in ("3.3.mistral-removed", "3.3.mongodb-4.0")} == {Severity.INHIBITOR}


def test_a_deployment_with_rbac_does_not_end_at_the_one_release_that_has_none() -> None:
    host = yum_box("y", "3.2.0", evidence={"rbac": 1}, versions={"mongodb": "4.0.28"})
    assert found("3.3.0", host)["3.3.rbac-absent"][0] is Severity.INHIBITOR
    assert "3.3.rbac-absent" not in found("3.4.1", host)
    for target, set_there in (("3.3.0", False), ("3.4.1", True)):
        (hop,) = find("3.2.0", target, migrations.ALL)
        assert ("default" in [step.argv[-1] for step in hop.steps if step.argv]) is set_there


@pytest.mark.parametrize(
    ("versions", "severity"),
    [
        ({"node": "4.9.1", "node-offered": "4.9.1"}, Severity.INHIBITOR),
        ({"node": "4.9.1", "node-offered": "10.24.1"}, None),
        ({"node": "10.1.0"}, None),
        ({"node": "12.0.0"}, Severity.INHIBITOR),
        ({"node-offered": "none"}, Severity.INHIBITOR),
        ({"node": "10.1.0", "node-offered": "none"}, None),
        ({}, Severity.WARNING),
    ],
)
def test_node_js_must_be_there_or_be_offered(versions: dict[str, str], severity: Severity | None) -> None:
    told = found("2.10.4", yum_box("y", "2.9.1", versions=versions)).get("2.10.nodejs-10")
    assert (told[0] if told else None) is severity
    assert "2.10.nodejs-10" not in found("2.10.4", yum_box("y", "2.9.1", packages=("st2",), versions=versions))


def test_a_mongodb_that_is_too_new_or_unknown_is_told() -> None:
    assert "3.3.mongodb-4.0" not in found("3.3.0", yum_box("y", "3.2.0", versions={"mongodb": "4.0.28"}))
    severity, _, cause = found("3.3.0", yum_box("y", "3.2.0"))["3.3.mongodb-4.0"]
    assert severity is Severity.WARNING and "could not be read" in cause


def test_a_deployment_is_asked_once_and_a_host_for_itself() -> None:
    hosts = [yum_box(name, "2.9.1", versions={"node": "4.0.0"}, evidence={"runner-names": 1}) for name in ("a", "b")]
    told = findings(by_name(*hosts), find("2.9.1", "2.10.4", migrations.ALL))
    assert [each.host for each in told if each.key == "2.10.nodejs-10"] == ["a", "b"]
    assert [each.host for each in told if each.key == "2.10.old-runner-names"] == ["a"]


def test_what_is_only_for_some_distributions_or_packages_is_not_asked_of_others() -> None:
    assert "2.5.mistral-conf-driver" in found("2.5.1", box("x", "2.4.1", distro="xenial"))
    bare = box("x", "2.4.1", distro="xenial", packages=("st2",))
    assert "2.5.mistral-conf-driver" not in found("2.5.1", bare)


def test_a_version_that_nobody_can_read_stops_nobody() -> None:
    odd = yum_box("y", "2.9.1", versions={"node": "10.1.0", "mongodb": "4.x"})
    assert "2.10.nodejs-10" not in found("2.10.4", odd)


def test_every_evidence_that_a_step_names_can_be_found() -> None:
    from_system = {"repository-key", "custom-runners", "socket-overrides", "nodejs", "mongodb", "python36"}
    from_conf = {"rbac", "coordination-unset", "scheduler-unset", "ldap-backend", "mongodb-ssl-files",
                 "logging-before-gunicorn", "conf-percent"}  # fmt: skip
    later = {"queue-notifiers", "workflows-unfinished"}
    named = {step.evidence for step in STEPS if step.evidence}
    assert named <= {*PACK_FILES, "pack-global", *from_system, *from_conf, *later}


def test_no_step_that_is_run_gives_a_finding() -> None:
    host = replace(yum_box("y", "2.2.1"), evidence={step.evidence: 1 for step in STEPS if step.evidence})
    run = {step.id for step in STEPS if step.kind is Kind.RUN}
    assert not run & set(found("3.8.1", host))


def test_what_stops_a_plan_is_looked_at_again_before_a_later_hop_or_fails_its_fetch() -> None:
    stops = {step.evidence for step in STEPS if step.kind is Kind.CHECK and step.severity is Severity.INHIBITOR}
    assert stops - {*IN_CONTENT, "mongodb", "workflows-unfinished"} == {"nodejs", "python36", "repository-key"}
