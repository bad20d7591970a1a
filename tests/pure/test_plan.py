"""The planner's decisions one by one: where a deployment is, what is pending, what is refused."""

from dataclasses import replace
from typing import Any

import pytest

import migrations
from rollout import preflight
from rollout.errors import Downgrade, PlanRefused, UnknownRelease
from rollout.facts import Facts
from rollout.model import DeploymentPlan, Finding, Phase, Severity, UnitState
from rollout.path import carries
from rollout.phases import wanted_versions
from rollout.plan import Plan, baseline, plan
from rollout.text import plan_text
from tests.pure.boxes import SET, box, by_name, deployment, mistral, settled_at, units, version, yum_box


def planned(target: str, *facts: Facts) -> DeploymentPlan:
    hosts = by_name(*facts)
    return plan(deployment("who", *hosts), hosts, target, migrations.ALL)


def ids(made: DeploymentPlan, phase: Phase | None = None) -> list[str]:
    return [step.id for each in made.phases for step in each.steps if phase in (None, each.name)]


# Where a deployment is.


def test_the_journal_counts_not_the_package_manager() -> None:
    assert baseline(by_name(box("a", "2.2.1", settled="2.0.1"))) == "2.0.1"


def test_without_a_journal_the_installed_release_counts() -> None:
    assert baseline(by_name(box("a", "2.1.1"))) == "2.1.1"


def test_of_several_hosts_the_oldest_counts() -> None:
    assert baseline(by_name(box("a", "2.10.0"), box("b", "2.9.3", packages=("st2web",)))) == "2.9.3"
    assert baseline(by_name(box("a", "2.2.1", settled="2.10.0"), box("b", "2.2.1", settled="2.9.3"))) == "2.9.3"


def test_a_host_without_a_journal_among_settled_ones_counts_with_what_is_installed() -> None:
    assert baseline(by_name(box("a", "2.2.1", settled="2.2.1"), box("new", "2.0.1"))) == "2.0.1"


def test_hosts_without_st2_are_refused() -> None:
    with pytest.raises(PlanRefused, match="no package of st2"):
        planned("2.2.1", box("a", "2.0.1", packages=()))


def test_a_host_without_st2_beside_one_that_has_it_does_not_count() -> None:
    assert baseline(by_name(box("a", "2.0.1"), box("db", "2.0.1", packages=()))) == "2.0.1"


# What is refused.


def test_an_older_target_is_refused() -> None:
    with pytest.raises(Downgrade):
        planned("2.0.1", box("a", "2.2.1"))
    with pytest.raises(Downgrade):
        planned("2.9.3", box("a", "2.10.0"))


def by_hand(release: str, settled: str) -> Facts:
    """A box that somebody upgraded by hand, and said so with migrations.baseline."""
    return box("a", release, settled=settled)


def test_who_upgraded_by_hand_is_not_led_through_a_stop_that_lies_behind_the_packages() -> None:
    """2.0.1 has no working copy of a script of 1.5, so the way there stops at 1.5.1; no package manager goes back to it."""
    assert {phase.hop for phase in planned("2.0.1", box("a", "1.4.0")).phases} == {"1.5.1", "2.0.1"}
    with pytest.raises(
        PlanRefused,
        match=r"between 2\.0\.1 and 2\.0\.1 leads further: .* 1\.5\.datastore",
    ) as caught:
        planned("2.0.1", by_hand("2.0.1", settled="1.4.0"))
    assert "--to" in caught.value.hint
    made = planned("2.2.1", by_hand("2.0.1", settled="1.4.0"))
    assert {phase.hop for phase in made.phases} == {"2.2.1"} and "1.5.datastore-scope-secret" in ids(made)


def test_a_target_behind_the_packages_that_are_there_is_refused_whatever_was_settled() -> None:
    with pytest.raises(Downgrade, match=r"2\.0\.1 is older than 2\.2\.1"):
        planned("2.0.1", by_hand("2.2.1", settled="1.4.0"))


def test_an_unknown_target_is_refused_and_the_nearest_are_named() -> None:
    with pytest.raises(UnknownRelease) as caught:
        planned("2.2.2", box("a", "2.0.1"))
    assert "2.2.1" in caught.value.hint


@pytest.mark.parametrize("missing", ["st2", "st2mistral"])
def test_a_stop_whose_packages_nobody_offers_stops_before_any_change(missing: str) -> None:
    host = yum_box("a", "1.4.0")
    without = {**host.available, missing: tuple(v for v in host.available[missing] if not v.startswith("1.5"))}
    facts = by_name(replace(host, available=without))
    made = plan(deployment("a"), facts, "2.0.1", migrations.ALL)
    findings = preflight.inspect("a", facts, "2.0.1", tuple(dict.fromkeys(phase.hop for phase in made.phases)))
    assert any(each.severity is Severity.INHIBITOR and "1.5.1" in each.cause for each in findings)


@pytest.mark.parametrize(("release", "target"), [("2.0.1", "2.0.1"), ("1.5.1", "2.0.1"), ("2.1.0", "3.1.0")])
def test_what_the_data_shows_undone_is_run_by_a_release_that_can_or_refused(release: str, target: str) -> None:
    try:
        made = planned(target, box("a", release, evidence={"keys-unscoped": 3}, available=offered_everywhere()))
    except PlanRefused:
        return
    late = [(p.hop, s) for p in made.phases for s in p.steps if s.id == "1.5.datastore-scope-secret"]
    assert late and all(carries(hop, step) for hop, step in late)


def offered_everywhere() -> dict[str, tuple[str, ...]]:
    releases = ("3.1.0", "3.0.1", "2.1.0", "2.0.1", "1.6.0", "1.5.1")
    return {
        name: tuple(version(name, each) for each in releases) for name in ("st2", "st2web", "st2chatops", "st2mistral")
    }


def test_what_lies_beyond_the_known_releases_is_refused() -> None:
    with pytest.raises(UnknownRelease) as caught:
        planned("3.10.0", box("a", "3.9.0"))
    assert "3.10.0" in caught.value.message and "3.9.0" in caught.value.hint


# What is planned.


def test_one_that_died_after_its_packages_still_runs_the_migrations() -> None:
    made = planned("2.2.1", box("a", "2.2.1", settled="2.0.1"))
    assert ids(made, Phase.MIGRATIONS) == ["2.1.datastore-scopes", "2.1.runners"]
    assert ids(made, Phase.SETTLE) == ["settle.record"]


def test_keys_that_were_never_migrated_are_pending_even_at_the_target() -> None:
    made = planned("2.2.1", box("a", "2.2.1", settled="2.2.1", evidence={"keys-unscoped": 2, "keys-old-scope": 0}))
    assert ids(made, Phase.MIGRATIONS) == ["1.5.datastore-scope-secret"]
    assert not planned("2.2.1", box("a", "2.2.1", evidence={"keys-unscoped": 0, "keys-old-scope": 0})).phases


def test_a_database_behind_its_package_is_work_even_at_the_target() -> None:
    behind = mistral("2.1.1", state="old", head="020")
    made = planned("2.2.1", box("a", "2.2.1", settled="2.2.1", mistral=behind))
    assert "mistral.upgrade" in ids(made)


def test_a_deployment_without_mistral_has_no_step_of_it() -> None:
    made = planned("2.2.1", box("a", "2.0.1", packages=("st2", "st2web")))
    assert not [step for step in ids(made) if "mistral" in step]
    assert made.point_of_no_return.startswith("the first step of migrations")
    short = planned("2.2.1", box("a", "2.1.1", packages=("st2", "st2web")))
    assert short.point_of_no_return.startswith("packages.set")


def test_mistral_is_upgraded_on_a_host_whose_database_answers() -> None:
    dead = mistral("2.0.1", state="unreachable")
    made = planned("2.2.1", box("a", "2.0.1", mistral=dead), box("b", "2.0.1"))
    upgrade = next(s for p in made.phases for s in p.steps if s.id == "mistral.upgrade")
    assert upgrade.hosts == ("b",)


def test_what_did_not_run_before_is_not_started() -> None:
    here = {**units("2.0.1", ("st2", "st2mistral")), "st2auth": UnitState("inactive", "disabled")}
    made = planned("2.2.1", box("a", "2.0.1", units=here))
    start = next(s for p in made.phases for s in p.steps if s.id == "start.units")
    assert "st2api" in start.argv and "st2auth" not in start.argv
    stop = next(s for p in made.phases for s in p.steps if s.id == "stop.units")
    assert "st2auth" in stop.argv


def test_a_box_that_was_down_starts_what_is_enabled() -> None:
    down = UnitState("inactive", "enabled")
    made = planned("2.2.1", box("a", "2.0.1", units=units("2.0.1", ("st2",), down)))
    assert "before-stop.feeders" not in ids(made)
    assert "st2api" in next(s for p in made.phases for s in p.steps if s.id == "start.units").argv


def test_the_exact_revision_of_each_package_is_asked_for() -> None:
    host = box("a", "2.0.1", available={"st2": ("2.2.1-10", "2.2.1-9", "2.2.0-7"), "st2web": ("1:2.2.1-3",)})
    assert wanted_versions(host, "2.2.1") == {"st2": "2.2.1-10", "st2web": "1:2.2.1-3"}
    there = box("a", "2.2.1", packages=("st2",), available={"st2": ("2.2.1-99",)})
    assert wanted_versions(there, "2.2.1") == {"st2": "2.2.1-8"}


def test_the_plan_says_what_becomes_of_old_executions() -> None:
    text = "\n".join(planned("2.2.1", box("a", "2.0.1")).notes)
    assert "mistral execution-list" in text and "20 old records" in text and "2 of them unfinished" in text
    assert planned("2.1.1", box("a", "2.0.1")).notes == ()


def test_a_stop_on_the_way_says_why_it_is_made() -> None:
    text = plan_text(Plan((planned("2.0.1", yum_box("a", "1.4.0")),)))
    assert "2.0.1 has no working copy of 1.5.datastore-scope-secret" in text


def test_every_step_says_what_it_does_and_has_a_time_limit() -> None:
    for target, facts in (("2.2.1", box("a", "1.4.0")), ("2.0.1", yum_box("a", "1.4.0"))):
        for each in planned(target, facts).phases:
            for step in each.steps:
                assert step.title and step.argv and 0 < step.timeout <= 7200 and step.phase is each.name


# The plan as JSON.


def test_the_json_of_a_plan_has_the_keys_that_are_promised() -> None:
    finding = Finding("disk-short", Severity.WARNING, "a", "cause", "remedy")
    made = replace(planned("2.2.1", box("a", "2.0.1")), findings=(finding,))
    data: dict[str, Any] = Plan((made,), (finding,)).to_json()
    assert {"schema", "hash", "deployments", "findings"} <= set(data)
    assert data["schema"] == "stormlift.plan/1" and len(data["hash"]) == 64
    assert data["findings"] == [
        {"key": "disk-short", "severity": "warning", "host": "a", "cause": "cause", "remedy": "remedy", "waived": ""}
    ]
    for phase in data["deployments"][0]["phases"]:
        for step in phase["steps"]:
            assert {"id", "hosts", "argv", "scope", "repeat"} <= set(step)
            assert step["scope"] in ("host", "deployment") and step["repeat"] in ("safe", "probe", "ask")


def test_the_json_of_a_deployment_says_from_and_to() -> None:
    data: dict[str, Any] = Plan((planned("2.2.1", box("a", "2.0.1")),)).to_json()
    first = data["deployments"][0]
    assert {"name", "hosts", "from", "to", "phases"} <= set(first)
    assert (first["name"], first["hosts"], first["from"], first["to"]) == ("who", ["a"], "2.0.1", "2.2.1")


def test_the_hash_is_of_everything_that_would_be_done() -> None:
    one = Plan((planned("2.2.1", box("a", "2.0.1")),))
    other = box("a", "2.0.1", available={"st2": ("2.2.1-9",)})
    assert one.hash == Plan((planned("2.2.1", box("a", "2.0.1")),)).hash
    assert one.hash != Plan((planned("2.2.1", other),)).hash
    assert one.hash != Plan((planned("2.2.0", box("a", "2.0.1")),)).hash


def test_the_journal_of_another_command_says_nothing_about_the_release() -> None:
    stopped = replace(settled_at("2.2.1", "a", "a")[0], data={"command": "services.stop"})
    assert baseline(by_name(box("a", "2.0.1", journal=(stopped,)))) == "2.0.1"


# What later releases bring and take away.


def running(made: DeploymentPlan, host: str) -> set[str]:
    (step,) = (s for p in made.phases for s in p.steps if s.id == "start.units" and host in s.hosts)
    return set(step.argv[2:])


def at(name: str, release: str, target: str, **changes: Any) -> Facts:
    """A host at RELEASE whose repositories offer TARGET, too."""
    host = yum_box(name, release, **changes)
    offered: dict[str, tuple[str, ...]] = {
        package: (version(package, target), version(package, release)) for package in host.installed
    }
    return replace(host, available=offered)


def offers(*releases: str) -> dict[str, tuple[str, ...]]:
    """Repositories that offer RELEASES."""
    return {name: tuple(version(name, each) for each in releases) for name in SET}


def test_services_that_a_release_brought_are_started_where_the_rules_engine_runs() -> None:
    worker = at("w", "2.7.2", "2.10.4")
    only = {name: state for name, state in worker.units.items() if name == "st2actionrunner"}
    made = planned("2.10.4", at("a", "2.7.2", "2.10.4"), at("b", "2.7.2", "2.10.4"), replace(worker, units=only))
    new = {"st2workflowengine", "st2scheduler"}
    assert new | {"st2timersengine"} <= running(made, "a")
    assert new <= running(made, "b") and "st2timersengine" not in running(made, "b")
    assert running(made, "w") == {"st2actionrunner"}


def switched_off(made: DeploymentPlan) -> dict[str, tuple[str, ...]]:
    """What `start.off` disables, by host."""
    return {host: s.argv[2:] for p in made.phases for s in p.steps if s.id == "start.off" for host in s.hosts}


def test_timers_start_on_one_host_after_a_reboot_too() -> None:
    """The packages enable st2timersengine on every host that they come to, and rpms do so at every upgrade."""
    for origin in ("2.7.2", "2.9.1"):
        boxes = [at(name, origin, "2.10.4") for name in ("a", "b", "w")]
        alone = {name: state for name, state in boxes[2].units.items() if name == "st2actionrunner"}
        one = {name: state for name, state in boxes[1].units.items() if name != "st2timersengine"}
        made = planned("2.10.4", boxes[0], replace(boxes[1], units=one), replace(boxes[2], units=alone))
        assert switched_off(made) == {"b": ("st2timersengine",), "w": ("st2timersengine",)}
    assert switched_off(planned("2.10.4", at("a", "2.9.1", "2.10.4"), at("b", "2.9.1", "2.10.4"))) == {}, "both ran"


def test_what_an_administrator_disabled_stays_so() -> None:
    host = at("a", "2.0.1", "2.2.1")
    off = {"st2notifier": UnitState("inactive", "disabled"), "st2chatops": UnitState("active", "disabled")}
    made = planned("2.2.1", replace(host, units={**host.units, **off}))
    assert switched_off(made) == {"a": ("st2notifier", "st2chatops")}
    assert "st2notifier" not in running(made, "a") and "st2chatops" in running(made, "a")


def test_a_later_hop_stops_what_the_one_before_it_brought() -> None:
    made = planned("3.8.1", yum_box("a", "2.8.1", available=offers("3.2.0", "3.8.1")))
    first, second = (set(s.argv[2:]) for p in made.phases for s in p.steps if s.id == "stop.units")
    assert second - first == {"st2timersengine", "st2scheduler"} and not first - second


def test_what_a_release_took_away_is_not_started_and_its_package_stays_where_it_is() -> None:
    made = planned("3.4.1", at("a", "3.2.0", "3.4.1"))
    started = running(made, "a")
    assert not started & {"mistral", "mistral-api", "mistral-server", "st2resultstracker"}
    assert "st2scheduler" in started
    (install,) = (s for p in made.phases for s in p.steps if s.id == "packages.set")
    assert not any("st2mistral" in word for word in install.argv)
    steps = [s.id for p in made.phases for s in p.steps]
    assert "3.3.mistral-units" in steps and "mistral.upgrade" not in steps and "verify.mistral" not in steps
    keys = {each.key for each in preflight.inspect("a", by_name(at("a", "3.2.0", "3.4.1")), "3.4.1")}
    assert "candidate-missing" not in keys


def test_a_package_that_ended_is_no_package_of_another_release() -> None:
    host = at("a", "3.4.1", "3.8.1", packages=("st2", "st2web", "st2chatops"))
    left_over = replace(host, installed={**host.installed, "st2mistral": "3.2.0-1"})
    keys = {each.key for each in preflight.inspect("a", by_name(left_over), "3.8.1")}
    assert not keys & {"versions-mixed", "candidate-missing"}


def test_the_virtualenvs_of_packs_are_made_anew_when_the_python_changes() -> None:
    steps = [s.id for p in planned("3.4.1", at("a", "3.2.0", "3.4.1")).phases for s in p.steps]
    assert steps.index("config.virtualenvs") < steps.index("config.register-all")
    assert "config.virtualenvs" not in [s.id for p in planned("2.2.1", yum_box("a", "2.0.1")).phases for s in p.steps]


# What is pending in Mistral's database, and where going back ends.


def pending_of(made: DeploymentPlan) -> dict[str, str]:
    return {phase.hop: step.changes for phase in made.phases for step in phase.steps if step.id == "mistral.upgrade"}


def test_mistrals_step_names_the_revisions_of_its_own_hop() -> None:
    way = pending_of(planned("3.2.0", at("a", "2.2.1", "3.2.0")))
    assert way == {"3.2.0": "pending revisions: 021, 022, 023, 024"}
    host = at("a", "1.4.0", "3.2.0")
    offered = {name: (*versions, version(name, "3.0.1")) for name, versions in host.available.items()}
    first, last = pending_of(planned("3.2.0", replace(host, available=offered))).items()
    assert first[0] == "3.0.1" and first[1].startswith("pending revisions: 012 (event_triggers_v2), 013 (")
    assert first[1].endswith("023, 024") and last == ("3.2.0", "no revision is pending")


def test_a_database_that_was_left_behind_is_named_from_where_it_is() -> None:
    behind = box("a", "2.2.1", settled="2.2.1", mistral=mistral("2.1.1", state="old", head="020"))
    (said,) = pending_of(planned("2.2.1", behind)).values()
    assert said.startswith("pending revisions: 012 (event_triggers_v2)") and said.endswith("019, 020")


@pytest.mark.parametrize(
    ("release", "target", "packages", "where"),
    [
        ("2.0.1", "2.2.1", ("st2", "st2mistral"), "mistral.upgrade"),
        ("2.0.1", "2.2.1", ("st2",), "2.1.datastore-scopes"),
        ("2.1.0", "2.1.1", ("st2", "st2mistral"), "packages.set"),
        ("2.0.1", "2.1.1", ("st2", "st2mistral"), "2.1.datastore-scopes"),
    ],
)
def test_the_point_of_no_return_is_the_first_step_that_cannot_be_taken_back(
    release: str, target: str, packages: tuple[str, ...], where: str
) -> None:
    host = box("a", release, packages=packages)
    offered: dict[str, tuple[str, ...]] = {name: (version(name, target), version(name, release)) for name in packages}
    made = planned(target, replace(host, available=offered))
    lines = plan_text(Plan((made,))).splitlines()
    at_ = lines.index("    -- point of no return: see below --")
    assert f"[{where}" in lines[at_ + 1] and made.point_of_no_return
