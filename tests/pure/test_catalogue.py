"""The project's own data against what was gathered of every release (tests/data/stackstorm-catalogue.yaml)."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

import migrations
from rollout import actions, catalogue, needs
from rollout.model import Kind, Scope, Step
from rollout.path import carries
from rollout.versions import order

FACTS: dict[str, Any] = yaml.safe_load((Path(__file__).parents[1] / "data" / "stackstorm-catalogue.yaml").read_text())
# Steps that stand under another name, or are several: every hop does them, or they were taken apart.
ELSEWHERE = {
    "mistral-db-upgrade": ("mistral.upgrade", "mistral.populate"),
    "register-runners": ("2.1.runners",),
    "restart-reload-2.1": ("2.1.restart", "2.1.reload"),
    "notifier-queue-2.3": ("2.3.notifier-queue-empty", "2.3.notifier-queue"),
    "rbac-backend-3.3": ("3.4.rbac-backend",),  # asked of targets from 3.4 on; 3.3 itself has no backend
    # One rule for every hop in which the Python of the packages changes.
    "recreate-virtualenvs-3.4": ("config.virtualenvs",),
    "recreate-virtualenvs-3.7": ("config.virtualenvs",),
    "virtualenvs-on-python-change": ("config.virtualenvs",),
    "register-all": ("config.register-all",),
}
EVERY_HOP = (actions.UPGRADE_MISTRAL, actions.POPULATE_MISTRAL, actions.REGISTER_ALL, actions.VIRTUALENVS)
STEPS = {step.id: step for step in (*EVERY_HOP, *(step for migration in migrations.ALL for step in migration.steps))}


def counterparts(fact: dict[str, Any]) -> list[Step]:
    """Our steps for a step of the facts."""
    name = fact["id"].removesuffix(f"-{fact['version']}")
    ids = ELSEWHERE.get(fact["id"], (f"{fact['version']}.{name}", f"{fact['version']}.{fact['id']}"))
    return [STEPS[each] for each in ids if each in STEPS]


@pytest.mark.parametrize("fact", FACTS["steps"], ids=lambda fact: fact["id"])
def test_every_step_of_the_facts_has_a_counterpart(fact: dict[str, Any]) -> None:
    ours = counterparts(fact)
    assert ours, f"nothing of ours stands for {fact['id']}"
    if script := fact.get("script"):
        shipped, broken = fact["shipped"], fact.get("known_broken", {}).get("versions", ())
        for step in (each for each in ours if script in each.argv and each.kind is Kind.RUN):
            first, last = order(shipped["from"]), order(shipped["to"])
            for release in catalogue.RELEASES:
                works = first <= order(release) <= last and release not in broken
                assert carries(release, step) is works, f"{step.id} at {release}"
        assert all(script in each.argv for each in ours) or fact["prefer"].split() == list(ours[0].argv)
    if fact.get("once") == "deployment" and fact["kind"] == "auto":
        assert {step.scope for step in ours if step.id != "2.1.restart"} == {Scope.DEPLOYMENT}
    if "distros" in fact and fact["id"] not in ELSEWHERE:
        assert all(set(step.distros) == set(fact["distros"]) for step in ours)
    if below := fact.get("applies_only_if_target_below"):
        assert all(step.until.startswith(below) for step in ours)


def test_every_release_is_known() -> None:
    assert set(catalogue.RELEASES) == {each["version"] for each in FACTS["releases"]}
    assert len(catalogue.RELEASES) == 45


@pytest.mark.parametrize("minor", FACTS["minors"])
def test_the_services_of_every_minor(minor: str) -> None:
    ours = [each for each in catalogue.components(f"{minor}.0") if each not in ("mistral-api", "mistral-server")]
    theirs = FACTS["minors"][minor]["components"]
    if minor == "1.4":  # its st2ctl leaves st2chatops alone, which is there all the same
        theirs = [*theirs, "st2chatops"]
    assert sorted(ours) == sorted(theirs)


@pytest.mark.parametrize("minor", FACTS["minors"])
def test_what_every_minor_needs(minor: str) -> None:
    fact, release = FACTS["minors"][minor], f"{minor}.0"
    assert catalogue.mistral_head(release) == fact.get("mistral_alembic_head", "")
    node = fact["nodejs"] or {}
    assert needs.node(release) == needs.Range(node.get("min", ""), node.get("below", ""))
    for distro in fact["build_distros"]:
        assert needs.python(release, distro) == fact["python"].get(distro, fact["python"].get("default"))
    installed = re.findall(r"\d+\.\d+", fact["mongodb"])
    assert all(needs.mongodb(release).holds(version) for version in installed)


@pytest.mark.parametrize("name", FACTS["distros"])
def test_the_distributions(name: str) -> None:
    fact, ours = FACTS["distros"][name], catalogue.DISTROS[name]
    assert (ours.first, ours.last) == (fact["first"], fact["last"] or "")
    assert ours.mistral_until == (fact["mistral_until"] or "")
    assert ours.family == {"deb": "apt", "rpm": "yum"}[fact["family"]]


@pytest.mark.parametrize("minor", FACTS["minors"])
def test_what_was_built_for_which_distribution(minor: str) -> None:
    built = {name for name, each in catalogue.DISTROS.items() if catalogue.built_for(each, f"{minor}.0")}
    assert built == set(FACTS["minors"][minor]["build_distros"])


@pytest.mark.parametrize("minor", FACTS["minors"])
def test_every_package_of_a_minor_moves_with_the_set(minor: str) -> None:
    assert set(catalogue.packages(f"{minor}.0")) == set(FACTS["minors"][minor]["packages"]) <= set(catalogue.PACKAGES)
