"""The way between two releases, the catalogue, and what each migration says of itself."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import migrations
from rollout import catalogue
from rollout.errors import Downgrade, PlanRefused, UnknownRelease
from rollout.model import Kind, Migration, Phase, Repeat, Scope, Step
from rollout.path import carries, due, find
from rollout.versions import order
from tests.pure.strategies import ways


def ids(steps: tuple[Step, ...], *kinds: Kind) -> list[str]:
    return [step.id for step in steps if step.kind in (kinds or Kind)]


def hops(origin: str, target: str) -> list[tuple[str, str]]:
    return [(hop.origin, hop.target) for hop in find(origin, target, migrations.ALL)]


# The way.


def test_a_jump_over_versions_runs_the_skipped_ones() -> None:
    (hop,) = find("1.4.0", "2.2.1", migrations.ALL)
    assert ids(hop.steps, Kind.RUN) == [
        "1.5.datastore-scope-secret",
        "2.1.datastore-scopes",
        "2.1.runners",
        "2.1.restart",
        "2.1.reload",
    ]


def test_a_short_way_runs_none_of_what_lies_behind() -> None:
    (hop,) = find("2.1.1", "2.2.1", migrations.ALL)
    assert ids(hop.steps, Kind.RUN) == [] and {step.id[:3] for step in hop.steps} == {"2.2"}
    assert find("2.2.1", "2.2.1", migrations.ALL) == ()


def test_the_way_stops_where_a_script_still_works() -> None:
    assert hops("1.4.0", "2.0.1") == [("1.4.0", "1.5.1"), ("1.5.1", "2.0.1")]
    assert hops("2.0.1", "3.8.0") == [("2.0.1", "3.0.1"), ("3.0.1", "3.8.0")]
    first = find("1.4.0", "2.0.1", migrations.ALL)[0]
    assert "2.0.1 has no working copy of 1.5.datastore-scope-secret" in first.why


def test_an_older_target_is_refused_with_the_words_of_both() -> None:
    with pytest.raises(Downgrade, match=r"2\.9\.3 is older than 2\.10\.0"):
        find("2.10.0", "2.9.3", migrations.ALL)


def test_a_way_that_no_release_can_go_is_refused() -> None:
    impossible = Step("x.never", "cannot run", Phase.MIGRATIONS, ("x",), releases=("0.0.1..0.0.2",))
    with pytest.raises(
        PlanRefused,
        match=r"no release between 2\.0\.1 and 2\.2\.1 leads further: 2\.2\.1 has no working copy of x\.never",
    ):
        find("2.0.1", "2.2.1", (Migration("2.1.0", "x", (impossible,)),))


@given(ways)
def test_every_way_leads_from_here_to_there_and_forward(way: tuple[str, ...]) -> None:
    origin, target = way[0], way[-1]
    found = find(origin, target, migrations.ALL)
    assert found[0].origin == origin and found[-1].target == target
    assert [hop.origin for hop in found[1:]] == [hop.target for hop in found[:-1]]
    assert all(order(hop.origin) < order(hop.target) and hop.why for hop in found)
    assert [step for hop in found for step in hop.steps if not step.until] == [
        step for step in due(migrations.ALL, origin, target) if not step.until
    ]
    assert all(carries(hop.target, step) for hop in found for step in hop.steps)


@given(st.permutations(migrations.ALL), ways)
def test_due_steps_come_in_version_order_however_they_are_listed(
    shuffled: list[Migration], way: tuple[str, ...]
) -> None:
    assert due(shuffled, way[0], way[-1]) == due(migrations.ALL, way[0], way[-1])


# The catalogue.


def test_between_leaves_out_where_one_is_and_holds_where_one_goes() -> None:
    assert catalogue.between("2.0.1", "2.2.0") == ("2.1.0", "2.1.1", "2.2.0")
    assert catalogue.between("2.9.3", "2.10.1") == ("2.10.0", "2.10.1")


def test_an_unknown_release_is_refused() -> None:
    assert catalogue.release("2.2.1") == "2.2.1"
    for word in ("2.2", "2.2.1-8", "latest", ""):
        with pytest.raises(UnknownRelease) as caught:
            catalogue.release(word)
        assert caught.value.hint


@pytest.mark.parametrize(
    ("os_id", "version", "name"),
    [("ubuntu", "16.04", "xenial"), ("debian", "8", "jessie"), ("centos", "7", "el7"), ("rhel", "8.4", "el8")],
)
def test_a_distribution_is_known_by_its_id(os_id: str, version: str, name: str) -> None:
    where = catalogue.distro(os_id, version)
    assert where is not None and where.name == name


@pytest.mark.parametrize(
    ("os_id", "version"), [("ubuntu", "17.10"), ("debian", "12"), ("fedora", "30"), ("centos", "5")]
)
def test_an_unknown_distribution_is_none(os_id: str, version: str) -> None:
    assert catalogue.distro(os_id, version) is None


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [
        ("xenial", "1.6.0", "3.4.1"),
        ("el7", "1.4.0", "3.8.1"),
        ("jessie", "1.4.0", "2.2.1"),
        ("jammy", "3.9.0", "3.9.0"),
    ],
)
def test_a_distribution_reaches_what_was_built_for_it(name: str, first: str, last: str) -> None:
    where = catalogue.DISTROS[name]
    built = [release for release in catalogue.RELEASES if catalogue.built_for(where, release)]
    assert (built[0], built[-1]) == (first, last)


@pytest.mark.parametrize(
    ("release", "head"),
    [("1.4.0", "011"), ("2.1.1", "011"), ("2.2.0", "020"), ("2.4.0", "022"), ("2.10.0", "024"), ("3.3.0", "")],
)
def test_each_release_carries_its_own_mistral(release: str, head: str) -> None:
    assert catalogue.mistral_head(release) == head


def test_the_services_of_a_release() -> None:
    assert "st2workflowengine" not in catalogue.components("2.7.2")
    assert {"st2workflowengine", "mistral-server"} <= set(catalogue.components("2.8.0"))
    assert "st2scheduler" in catalogue.components("2.10.0") and "st2scheduler" not in catalogue.components("2.9.3")
    assert "mistral" not in catalogue.components("3.3.0") and "st2resultstracker" not in catalogue.components("3.4.0")


# The migrations.


def test_every_migration_step_says_where_it_comes_from_and_why() -> None:
    steps = [step for migration in migrations.ALL for step in migration.steps]
    assert len({step.id for step in steps}) == len(steps)
    for migration in migrations.ALL:
        assert migration.release in catalogue.RELEASES and migration.title
        for step in migration.steps:
            assert step.id.startswith(migration.release.rpartition(".")[0] + ".")
            assert step.why and step.source and step.title and step.timeout
            assert step.argv if step.kind is Kind.RUN else step.remedy
            if step.kind is Kind.RUN:
                assert step.phase in (Phase.MIGRATIONS, Phase.CONFIG, Phase.POST_START)
            else:
                assert step.phase in (Phase.PREFLIGHT, Phase.POST_START)
            ends = [end for band in step.releases for end in band.split("..") if end]
            assert {*ends, *filter(None, (step.until, step.since))} <= set(catalogue.RELEASES)
            assert set(step.distros) <= set(catalogue.DISTROS)


def test_what_is_not_safe_to_repeat_can_be_probed() -> None:
    for migration in migrations.ALL:
        for step in migration.steps:
            assert step.repeat is not Repeat.PROBE or step.postcondition


def test_scripts_of_the_datastore_read_the_configuration_and_run_once() -> None:
    for migration in migrations.ALL:
        for step in migration.steps:
            if step.kind is Kind.RUN and "/bin/st2-" in step.argv[0]:
                assert step.argv[1:3] == ("--config-file", "/etc/st2/st2.conf")
                assert step.scope is Scope.DEPLOYMENT and step.needs == "st2"
            if "datastore" in step.id:
                assert step.postcondition
