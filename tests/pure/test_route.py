"""`invoke path`: a way or a stated refusal between any two releases, on any distribution; forty of them as files.

STORMLIFT_GOLDEN=write writes the files anew; read the difference before it is kept.
"""

import difflib
import os
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from rollout import actions, catalogue, needs
from rollout.errors import UnknownRelease, UsageError
from rollout.model import Phase
from rollout.path import due
from rollout.route import Route, route, route_text
from rollout.versions import order

PATHS = Path(__file__).parents[1] / "paths"
IN_ORDER = sorted(catalogue.RELEASES, key=order)
releases, distros = st.sampled_from(IN_ORDER), st.sampled_from(["", *catalogue.DISTROS])

# At least three of each distribution, the refused and the long ones too.
KEPT = """
1.4.0 2.2.1 wheezy    2.1.1 2.2.1 wheezy    2.0.1 2.3.0 wheezy
1.4.0 2.2.1 jessie    2.0.1 2.2.1 jessie    2.2.1 2.3.2 jessie
1.4.0 3.2.0 trusty    2.0.1 2.2.1 trusty    2.3.2 3.0.1 trusty    3.0.1 3.3.0 trusty
1.6.0 3.4.1 xenial    2.0.1 2.2.1 xenial    2.9.3 2.10.1 xenial   2.10.4 3.4.1 xenial   3.2.0 3.5.0 xenial
2.10.0 3.8.1 bionic   3.2.0 3.3.0 bionic    2.2.1 2.10.4 bionic   3.8.1 3.9.0 bionic
3.5.0 3.9.0 focal     3.8.0 3.8.1 focal     3.4.1 3.5.0 focal
3.9.0 3.9.0 jammy     3.8.1 3.9.0 jammy     3.9.0 3.8.1 jammy
1.4.0 3.2.0 el6       2.0.1 2.2.1 el6       2.8.1 3.1.0 el6       3.0.1 3.3.0 el6
1.4.0 3.8.1 el7       2.0.1 2.2.1 el7       2.0.1 3.8.1 el7       2.2.1 3.8.1 el7     2.9.1 3.3.0 el7    3.2.0 3.4.1 el7
3.2.0 3.9.0 el8       3.6.0 3.7.0 el8       3.0.1 3.2.0 el8
3.9.0 3.9.0 el9       3.8.1 3.9.0 el9
"""
WORDS = KEPT.split()
GOLDEN = list(zip(WORDS[::3], WORDS[1::3], WORDS[2::3], strict=True))


def between(origin: str, target: str, distro: str = "") -> Route:
    return route(origin, target, migrations.ALL, distro)


def holds(found: Route) -> None:
    """Everything that must be true of a way, or of its refusal."""
    if found.refused:
        assert not found.legs and found.hint
        return
    at = [found.origin, *(leg.hop.target for leg in found.legs)]
    assert at[-1] == found.target and all(order(one) < order(other) for one, other in pairwise(at))
    where = catalogue.DISTROS.get(found.distro)
    assert where is None or all(catalogue.built_for(where, release) for release in at)
    for leg in found.legs:
        assert leg.hop.why
        phases = [list(Phase).index(step.phase) for step in leg.steps]
        assert phases == sorted(phases)
        ids = [step.id for step in leg.steps]
        assert len(set(ids)) == len(ids)
        for step in leg.steps:
            assert step.why and step.source and (step.argv or step.remedy)
            assert not step.since or order(leg.hop.origin) >= order(step.since)
    crossed = due(migrations.ALL, found.origin, found.target, (found.distro,) if found.distro else ())
    taken = [step.id for leg in found.legs for step in leg.steps]
    assert [step.id for step in crossed if step.id not in taken] == []


@pytest.mark.parametrize("origin", IN_ORDER)
def test_from_every_release_to_every_other_there_is_a_way_or_a_stated_refusal(origin: str) -> None:
    for target in IN_ORDER:
        found = between(origin, target)
        holds(found)
        assert bool(found.refused) == (order(target) < order(origin))
        assert (not found.legs) == (order(target) <= order(origin))


@given(releases, releases, distros)
def test_on_every_distribution_too(origin: str, target: str, distro: str) -> None:
    found = between(origin, target, distro)
    holds(found)
    assert found == between(origin, target, distro)
    where = catalogue.DISTROS.get(distro)
    if order(origin) < order(target) and (
        where is None or all(catalogue.built_for(where, r) for r in (origin, target))
    ):
        assert found.legs


@given(st.lists(releases, min_size=3, max_size=3, unique=True).map(lambda found: sorted(found, key=order)))
def test_a_way_asks_for_what_its_parts_ask_for(way: list[str]) -> None:
    """But for what a later release makes needless: it is asked at a stop before that release alone."""
    passing = {step.id for migration in migrations.ALL for step in migration.steps if step.until}
    passing |= {actions.UPGRADE_MISTRAL.id, actions.POPULATE_MISTRAL.id}

    def asked(origin: str, target: str) -> set[str]:
        return {step.id for leg in between(origin, target).legs for step in leg.steps} - passing

    first, second, third = way
    assert asked(first, third) == asked(first, second) | asked(second, third)


# Stops are found, not assumed.


@pytest.mark.parametrize(
    ("origin", "target", "distro", "stops", "why"),
    [
        ("2.0.1", "3.8.1", "el7", ["3.0.1"], "no working copy of 2.1.datastore-scopes"),
        ("1.4.0", "3.2.0", "xenial", None, ""),
        ("2.2.1", "3.8.1", "el7", ["3.2.0"], "asks for 3.3.mistral-removed, which can only be done at 2.8.0 or later"),
        ("2.9.1", "3.3.0", "el7", ["3.2.0"], "asks for 3.3.mongodb-4.0, which can only be done at 2.10.0 or later"),
        ("2.10.4", "3.8.1", "el7", [], ""),
        ("1.4.0", "2.0.1", "el7", ["1.5.1"], "no working copy of 1.5.datastore-scope-secret"),
        ("3.2.0", "3.9.0", "el8", [], ""),
    ],
)
def test_a_stop_is_made_where_it_is_needed(
    origin: str, target: str, distro: str, stops: list[str] | None, why: str
) -> None:
    found = between(origin, target, distro)
    if stops is None:
        assert f"{origin} was never built for {distro}" in found.refused
    else:
        assert found.to_json()["stops"] == stops
        assert why in found.legs[0].hop.why


def test_where_a_distribution_ends_the_refusal_says_so_and_names_the_way_that_is_left() -> None:
    found = between("2.2.1", "3.9.0", "el7")
    assert found.refused == "3.9.0 was never built for el7, which ends at 3.8.1"
    assert (
        found.hint == "--to 3.8.1, or roll the content over to a new instance on a distribution that it was built for"
    )


def test_pack_virtualenvs_are_made_anew_when_the_python_of_the_packages_changes() -> None:
    def asked(*way: str) -> set[str]:
        return {step.id for leg in between(*way).legs for step in leg.steps}

    assert "config.virtualenvs" in asked("3.2.0", "3.4.1", "el7") & asked("3.6.0", "3.7.0", "el8")
    assert "config.virtualenvs" not in asked("3.5.0", "3.8.1", "focal") | asked("2.0.1", "2.2.1", "el7")
    assert needs.python("3.3.0", "xenial") == "2.7" and needs.python("3.4.0", "xenial") == "3.6"


def asks(*way: str) -> list[str]:
    """The steps of a way, in order."""
    return [step.id for leg in between(*way).legs for step in leg.steps]


def test_mistral_s_database_is_upgraded_at_every_hop_that_has_one_as_a_plan_does() -> None:
    assert {"mistral.upgrade", "mistral.populate"} <= set(asks("2.9.1", "2.10.4", "el7")) & set(asks("2.9.1", "2.10.4"))
    for without in (asks("2.10.0", "3.2.0", "bionic"), asks("3.2.0", "3.3.0", "el7")):
        assert not {"mistral.upgrade", "mistral.populate"} & set(without)


def test_units_of_mistral_are_disabled_only_where_it_ever_was() -> None:
    assert "3.3.mistral-units" in set(asks("3.2.0", "3.3.0", "el7")) & set(asks("3.2.0", "3.3.0", "xenial"))
    assert "3.3.mistral-units" not in asks("3.2.0", "3.3.0", "bionic") + asks("3.2.0", "3.3.0", "el8")


def test_virtualenvs_come_before_content_and_are_named_when_no_distribution_is() -> None:
    for way in (("3.2.0", "3.4.1", "el7"), ("3.2.0", "3.4.1")):
        taken = asks(*way)
        assert taken.index("config.virtualenvs") < taken.index("config.register-all")
    assert "config.virtualenvs" not in asks("2.0.1", "2.2.1")


def test_a_release_is_read_as_a_package_manager_writes_it() -> None:
    assert between("1:2.2.1-8.el7", "2.3.0").origin == "2.2.1"
    dev = between("2.3dev-44", "2.3.2")
    assert dev.origin == "2.3dev" and "2.3.notifier-queue" in {step.id for step in dev.legs[0].steps}
    for word in ("2.2", "9.9.9", "4.0dev", "latest", ""):
        with pytest.raises(UnknownRelease):
            between(word, "3.9.0")
    with pytest.raises(UnknownRelease):
        between("2.2.1", "2.3dev")
    with pytest.raises(UsageError, match="'el5' is no distribution"):
        between("2.2.1", "2.3.0", "el5")


# As an operator reads them.


@pytest.mark.parametrize("way", GOLDEN, ids="-".join)
def test_the_way_reads_as_the_file_says(way: tuple[str, str, str]) -> None:
    text = route_text(between(*way)) + "\n"
    file = PATHS / f"{way[2]}-{way[0]}-{way[1]}.txt"
    if os.environ.get("STORMLIFT_GOLDEN") == "write":
        file.write_text(text)
    kept = file.read_text() if file.exists() else ""
    difference = difflib.unified_diff(kept.splitlines(), text.splitlines(), file.name, "now", lineterm="")
    assert text == kept, "\n".join(difference)


def test_forty_ways_over_all_distributions_are_kept() -> None:
    assert len(GOLDEN) >= 40 and {distro for _, _, distro in GOLDEN} == set(catalogue.DISTROS)
    assert {file.stem for file in PATHS.glob("*.txt")} == {f"{distro}-{one}-{other}" for one, other, distro in GOLDEN}
