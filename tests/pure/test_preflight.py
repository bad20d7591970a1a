"""Every finding is provoked by the facts that it is about, and absent on healthy hosts."""

from dataclasses import replace
from typing import Any

import pytest

import migrations
from rollout import catalogue
from rollout.facts import Around, Busy, Facts, MistralFacts, Restarter, Session, Silent, StoreFacts
from rollout.findings import KNOWN, shown
from rollout.journal import Record
from rollout.model import Finding, Severity
from rollout.preflight import inspect, shared_databases
from tests.pure.boxes import box, broken_mistral, by_name, mistral, settled_at, yum_box

TARGET = "2.2.1"
OLD = mistral("2.0.1", unfinished=0)


def healthy(**changes: object) -> Facts:
    return replace(box("a", "2.0.1", mistral=OLD), **changes)  # type: ignore[arg-type]


def around(**changes: object) -> Facts:
    return healthy(around=Around(**changes))  # type: ignore[arg-type]


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
    "way-back-open": (
        [healthy(journal=(Record(1, "r7", "opened", data={"command": "rollback"}),), hold="run r7 since noon")],
        "rollback is not through: run r7",
    ),
    "dump-tools-missing": ([healthy(tools=("apt-get", "pg_dump"))], "pg_restore would be needed"),
    "store-tools-missing": (
        [healthy(store=StoreFacts(tool="100.9.4"))],
        "mongorestore is missing, which st2's database would need",
    ),
    "store-unreadable": (
        [
            healthy(
                store=StoreFacts(
                    tool="4.0", restore_tool="4.0", cause="login", sentence="MongoDB at db1:27017 refuses: auth failed"
                )
            )
        ],
        "MongoDB at db1:27017 refuses: auth failed",
    ),
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
PROVOKED |= {
    "package-manager-busy": (
        [healthy(busy=(Busy("812", "apt-get", "/var/lib/dpkg/lock"),))],
        "apt-get (process 812) holds /var/lib/dpkg/lock",
    ),
    "repository-unreachable": (
        [around(fetch_failed="E: Failed to fetch http://repo/x")],
        "E: Failed to fetch http://repo/x",
    ),
    "repository-key-refused": (
        [around(key_refused="W: EXPKEYSIG 418A7F2FB0E1E6E7", fetch_failed="E: not signed")],
        "EXPKEYSIG",
    ),
    "lists-old": ([around(lists_age=41 * 86400)], "41 days"),
    "clock-skew": ([healthy(skew=-95)], "95 s behind"),
    "clocks-differ": ([healthy(skew=2), healthy(host="b", skew=40)], "a is 2 s ahead, b is 40 s ahead"),
    "restarter": (
        [around(restarters=(Restarter("unit", "puppet.service", "puppet"), Restarter("process", "99", "monit")))],
        "monit (process 99)",
    ),
    "restarter-cron": (
        [around(restarters=(Restarter("cron", "/etc/cron.d/keep:2", "st2ctl"),))],
        "/etc/cron.d/keep:2 runs st2ctl",
    ),
    "mongodb-unreachable": (
        [around(silent=(Silent("mongodb", "db1:27017", "Connection refused"),))],
        "MongoDB at db1:27017: Connection refused",
    ),
    "rabbitmq-unreachable": (
        [around(silent=(Silent("rabbitmq", "q1:5672,q2:5672", "no answer in 3 s"),))],
        "RabbitMQ at q1:5672,q2:5672",
    ),
    "stores-differ": (
        [around(store="db1:27017/st2"), replace(around(store="localhost:27017/st2"), host="b")],
        "a names db1:27017/st2, b names localhost:27017/st2",
    ),
    "keys-both-scopes": (
        [healthy(evidence={"keys-both-scopes": 2}, places={"keys-both-scopes": "system smtp.host"})],
        "smtp.host is under system and under st2kv.system, and 1 more like it",
    ),
    "conffile-changed": ([around(changed=("/etc/st2/st2.conf",))], "/etc/st2/st2.conf"),
    "conffile-left": ([around(left=("/etc/st2/st2.conf.dpkg-dist",))], "st2.conf.dpkg-dist"),
    "script-unknown": (
        [around(scripts=("/opt/stackstorm/st2/bin/st2-migrate-our-own.py",))],
        "no release brings /opt/stackstorm/st2/bin/st2-migrate-our-own.py",
    ),
    "virtualenv-pack-gone": ([around(virtualenvs={"old": "gone"})], "old is no longer"),
    "virtualenv-python-missing": ([around(virtualenvs={"aws": "missing"})], "aws has no Python"),
    "virtualenv-python-other": ([around(virtualenvs={"aws": "other"})], "aws has another Python"),
}
# Provoked by what they are about: two deployments (below), and a pause (test_pause.py).
# test_unfinished.py has those of executions.
ELSEWHERE = {"database-shared", "store-shared", "paused", "executions-unfinished", "executions-unknown"}
OFTEN_TOGETHER = {"distro-ends", "candidate-missing", "nothing-installed", "versions-mixed", "journal-disagrees"}


@pytest.mark.parametrize("key", PROVOKED)
def test_a_finding_names_host_cause_and_remedy(key: str) -> None:
    facts, cause = PROVOKED[key]
    findings = found(*facts, target="2.3.0" if key == "distro-ends" else TARGET)
    mine = [each for each in findings if each.key == key]
    assert mine and any(cause in each.cause for each in mine)
    for each in mine:
        assert each.severity is KNOWN[key].severity
        assert each.host in {"who", *(host.host for host in facts)} and each.remedy
    if key not in OFTEN_TOGETHER:
        assert {each.key for each in findings} == {key}, "one cause, one finding"


def test_every_finding_is_provoked_and_none_else() -> None:
    assert {*PROVOKED, *ELSEWHERE} == set(KNOWN)


def test_a_remedy_is_what_the_page_says_with_its_names_put_in() -> None:
    for key, (facts, _) in PROVOKED.items():
        for each in found(*facts, target="2.3.0" if key == "distro-ends" else TARGET):
            assert "{" not in each.remedy and "{" not in shown(KNOWN[each.key].remedy)
    told = [each.remedy for each in found(*PROVOKED["restarter"][0])]
    assert told == [
        "stop it until the upgrade is done: systemctl stop puppet.service",
        "stop it until the upgrade is done: kill 99",
    ]


def test_a_yum_host_is_told_what_yum_wants() -> None:
    changes: dict[str, dict[str, Any]] = {
        "package-held": {"held": ("st2",)},
        "repository-unreachable": {"around": Around(fetch_failed="Error: Failed to download metadata")},
        "lists-old": {"around": Around(lists_age=99 * 86400)},
    }
    for key, change in changes.items():
        (apt,) = found(healthy(**change))
        (yum,) = found(yum_box("y", "2.0.1", mistral=OLD, **change))
        assert apt.key == yum.key == key
        assert "yum" in yum.remedy and "apt" not in yum.remedy and "yum" not in apt.remedy


@pytest.mark.parametrize(
    ("tool", "cause"),
    [
        ("3.0.15", "mongodump 3.0.15 knows no archives"),
        ("2.6.12", "mongodump 2.6.12 knows no archives"),
        ("3.2.22", ""),
        ("100.9.4", ""),
        ("4.2.25-rc0", ""),
        ("built-from-source", ""),
    ],
)
def test_tools_of_mongodb_that_know_no_archives_are_none(tool: str, cause: str) -> None:
    told = found(healthy(store=StoreFacts(tool=tool, restore_tool="100.9.4")))
    assert [(each.key, each.cause.startswith(cause)) for each in told] == (
        [("store-tools-missing", True)] if cause else []
    )


def test_a_host_that_does_not_dump_the_store_needs_no_tools_of_mongodb() -> None:
    good = StoreFacts(tool="100.9.4", restore_tool="100.9.4")
    assert found(healthy(store=good), healthy(host="b", store=StoreFacts())) == []
    assert found(healthy(store=None)) == [], "nobody looked, or it cannot be looked at: that is told otherwise"
    for cause in ("unreachable", "library"):  # the first is told by itself, the second of a package that is half there
        assert found(healthy(store=replace(good, cause=cause))) == []
    (finding,) = found(yum_box("a", "2.0.1", mistral=OLD, store=StoreFacts()))
    assert "yum install mongodb-org-tools" in finding.remedy and "apt" not in finding.remedy
    assert finding.cause.count("is missing") == 2 and "--hosts who --backup external" in finding.remedy


def test_room_for_the_store_is_needed_where_it_is_dumped() -> None:
    store = StoreFacts(size=3 << 30, tool="4.0.28", restore_tool="4.0.28")
    little = {"/var": 2 << 20, "/opt": 2 << 20}
    (finding,) = found(healthy(store=store, free_kib=little), healthy(host="b", store=store, free_kib=little))
    assert (finding.host, finding.key) == ("a", "disk-short") and "/var has 2048 MiB free, 41" in finding.cause
    assert found(healthy(store=store, free_kib={"/var": 5 << 20, "/opt": 2 << 20})) == []


def test_what_may_be_otherwise_is_no_finding() -> None:
    scripts = tuple(f"/opt/stackstorm/st2/bin/{name}" for name in catalogue.MIGRATION_SCRIPTS)
    assert found(around(scripts=scripts, lists_age=29 * 86400)) == []
    assert found(healthy(skew=30), healthy(host="b", skew=0)) == []
    both: dict[str, Any] = {"evidence": {"keys-both-scopes": 1}, "places": {"keys-both-scopes": "user alice:token"}}
    assert found(box("a", "1.5.1", mistral=OLD, **both), target="2.0.1") == []
    (finding,) = found(healthy(**both), healthy(host="b", **both))  # one database, one finding
    assert finding.remedy.endswith("st2 key delete --scope user --user alice token")


def test_every_script_that_a_release_runs_is_known() -> None:
    programs = {step.argv[0].rpartition("/")[2] for each in migrations.ALL for step in each.steps if step.argv}
    scripts = {name for name in programs if name.startswith("st2-migrate")}
    assert scripts and scripts <= set(catalogue.MIGRATION_SCRIPTS)


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


def test_one_name_for_the_store_of_two_deployments_is_a_warning_and_loopback_is_nobody_else_s() -> None:
    one, two = around(store="db1:27017/st2"), replace(around(store="db1:27017/st2"), host="b", mistral=None)
    (finding,) = shared_databases({"first": by_name(one), "second": by_name(two)})
    assert (finding.key, finding.severity, finding.host) == ("store-shared", Severity.WARNING, "b")
    here, there = around(store="127.0.0.1:27017/st2"), replace(around(store="127.0.0.1:27017/st2"), host="b")
    assert shared_databases({"first": by_name(here), "second": by_name(replace(there, mistral=None))}) == ()
    assert {each.key for each in found(here, there)} == {"stores-differ"}
