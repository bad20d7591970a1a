"""What holds for every plan, whatever the hosts and the way: order, once each, fit hosts, Mistral behind the stop."""

from collections import Counter

from hypothesis import assume, given, settings
from hypothesis import strategies as st

import migrations
from rollout import catalogue
from rollout.advice import leaves
from rollout.codec import canonical, decode, digest, encode
from rollout.execute import key_of
from rollout.model import DeploymentPlan, Kind, Phase, PhasePlan, Scope, Step
from rollout.path import carries, find
from rollout.phases import concerns
from rollout.plan import Plan, plan
from rollout.text import plan_text
from tests.pure.strategies import Site, sites, ways

FAST = settings(max_examples=10, deadline=None)
PHASES = list(Phase)
MIGRATIONS = {step.id: step for migration in migrations.ALL for step in migration.steps}
Way = tuple[str, ...]


def planned(site: Site, target: str) -> DeploymentPlan:
    return plan(site.deployment, site.facts, target, migrations.ALL)


def flat(made: DeploymentPlan) -> list[tuple[PhasePlan, Step]]:
    return [(phase, step) for phase in made.phases for step in phase.steps]


def migrated(made: DeploymentPlan, phase: Phase) -> list[str]:
    """The migration steps of PHASE over all hops, in order, a step on several hosts once."""
    return list(dict.fromkeys(step.id for each, step in flat(made) if each.name is phase and step.id in MIGRATIONS))


def at(way: Way) -> st.SearchStrategy[tuple[Site, Way]]:
    return st.tuples(sites(way[0]), st.just(way))


journeys = ways.flatmap(at)


@FAST
@given(journeys)
def test_the_same_facts_give_the_same_plan(journey: tuple[Site, Way]) -> None:
    site, way = journey
    first, second = planned(site, way[-1]), planned(site, way[-1])
    assert first == second
    assert Plan((first,)).hash == Plan((second,)).hash


@FAST
@given(journeys)
def test_phases_come_in_order_and_hops_one_after_the_other(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    hops = [phase.hop for phase in made.phases]
    assert hops == [hop for hop in dict.fromkeys(hops) for _ in range(hops.count(hop))]
    assert hops[-1] == way[-1]
    for leg in dict.fromkeys(phase.leg for phase in made.phases):
        names = [phase.name for phase in made.phases if phase.leg == leg]
        assert names == sorted(set(names), key=PHASES.index)


@FAST
@given(journeys)
def test_front_hosts_go_through_one_by_one_before_anything_of_the_others_is_stopped(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    more = {name for name, each in site.facts.items() if not set(each.installed) <= {"st2web", "st2chatops"}}
    served = any("st2api" in site.facts[name].active() for name in more)
    front = (
        {name for name, each in site.facts.items() if name not in more and (served or not each.units)} if more else {}
    )
    for hop in dict.fromkeys(phase.hop for phase in made.phases):
        serving = (Phase.PREFLIGHT, Phase.FETCH, Phase.BEFORE_STOP)
        legs = [p.ahead for p in made.phases if p.hop == hop and (p.ahead or p.name not in serving)]
        assert list(dict.fromkeys(legs)) == [*(name for name in site.facts if name in front), ""]
        assert legs == sorted(legs, key=[*dict.fromkeys(legs)].index)  # each is through before the next begins
        for phase, step in (each for each in flat(made) if each[0].hop == hop):
            assert not phase.ahead or step.hosts == (phase.ahead,)
            if not phase.ahead and phase.name not in serving:
                assert not set(step.hosts) & set(front) or phase.name in (Phase.START, Phase.VERIFY, Phase.SETTLE)


@FAST
@given(journeys)
def test_whatever_fails_there_is_a_sentence_of_what_it_leaves(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    assert all(leaves(made, phase) for phase in made.phases)


@FAST
@given(journeys)
def test_the_journal_can_tell_every_step_of_a_host_from_every_other(journey: tuple[Site, Way]) -> None:
    site, way = journey
    keys = Counter((key_of(phase, step), host) for phase, step in flat(planned(site, way[-1])) for host in step.hosts)
    assert [key for key, count in keys.items() if count > 1] == []


@FAST
@given(journeys)
def test_every_due_step_is_there_once_in_version_order(journey: tuple[Site, Way]) -> None:
    site, way = journey
    fit = {name for name, each in site.facts.items() if each.fits("st2")}
    assume(fit)
    made = planned(site, way[-1])
    asked = [step for hop in find(way[0], way[-1], migrations.ALL) for step in hop.steps if step.kind is Kind.RUN]
    for phase in (Phase.MIGRATIONS, Phase.CONFIG, Phase.POST_START):
        here = [step for step in asked if step.phase is phase]
        wanted = [step for step in here if any(concerns(step, each) for each in site.facts.values())]
        # Nothing is restarted where nothing ran.
        running = any(step.id == "start.units" and fit & set(step.hosts) for _, step in flat(made))
        assert migrated(made, phase) == [step.id for step in wanted if running or "{units}" not in step.argv]


@FAST
@given(ways.filter(lambda way: len(way) == 3).flatmap(at))
def test_a_long_way_asks_for_what_its_parts_ask_for(journey: tuple[Site, Way]) -> None:
    site, (_, middle, end) = journey
    whole, first, second = planned(site, end), planned(site, middle), planned(site.at(middle), end)
    for phase in (Phase.MIGRATIONS, Phase.POST_START):
        lasting = [step for step in MIGRATIONS.values() if not step.until]
        parts = migrated(first, phase) + migrated(second, phase)
        assert [each.id for each in lasting if each.id in migrated(whole, phase)] == [
            each.id for each in lasting if each.id in parts
        ]


@FAST
@given(journeys)
def test_a_step_runs_only_where_a_release_carries_what_it_calls(journey: tuple[Site, Way]) -> None:
    site, way = journey
    for phase, step in flat(planned(site, way[-1])):
        assert carries(phase.hop, step)


@FAST
@given(journeys)
def test_what_runs_once_runs_on_one_host_that_is_fit_for_it(journey: tuple[Site, Way]) -> None:
    site, way = journey
    for _, step in flat(planned(site, way[-1])):
        assert step.hosts and set(step.hosts) <= set(site.facts)
        assert all(site.facts[host].fits(step.needs) for host in step.hosts)
        if step.scope is Scope.DEPLOYMENT:
            assert len(step.hosts) == 1


@FAST
@given(journeys)
def test_mistral_is_upgraded_only_while_everything_is_stopped_held_and_proved(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    for hop in dict.fromkeys(phase.hop for phase in made.phases):
        seen: dict[str, set[str]] = {}
        everywhere = set(site.facts) - {phase.ahead for phase in made.phases if phase.hop == hop}
        with_units = {name for name in everywhere if site.facts[name].units}
        for phase, step in flat(made):
            if phase.leg != hop:
                assert not phase.ahead or not site.facts[phase.ahead].fits("st2mistral")
                continue
            if step.id == "mistral.upgrade":
                assert seen["stop.units"] == with_units
                for proof in ("stop.hold", "stop.proved", "mistral.quiet"):
                    assert seen[proof] == everywhere
                assert not any(name.startswith("start.") for name in seen)
            seen[step.id] = seen.get(step.id, set()) | set(step.hosts)


@FAST
@given(journeys)
def test_what_is_held_is_released_and_what_is_stopped_is_started(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    for hop in dict.fromkeys(phase.hop for phase in made.phases):
        hosts = Counter((step.id, host) for phase, step in flat(made) if phase.hop == hop for host in step.hosts)
        alone = {phase.ahead for phase in made.phases if phase.hop == hop and phase.ahead}
        for name in site.facts:
            assert hosts["stop.hold", name] == hosts["settle.record", name] == 1
            # What went ahead is released by itself, and once more with all.
            assert hosts["start.release", name] == (2 if name in alone else 1)


@FAST
@given(journeys)
def test_a_deployment_that_went_there_has_nothing_left_to_do(journey: tuple[Site, Way]) -> None:
    site, way = journey
    done = site.at(way[-1])
    made = planned(done, way[-1])
    assert made.empty and made.phases == () and made.notes == ()
    assert "nothing to do" in plan_text(Plan((made,)))


@FAST
@given(journeys)
def test_a_plan_survives_its_json(journey: tuple[Site, Way]) -> None:
    site, way = journey
    made = planned(site, way[-1])
    again = decode(DeploymentPlan, encode(made))
    assert again == made
    assert digest(again) == digest(made) and canonical(again) == canonical(made)


def test_every_unit_of_a_held_release_is_held() -> None:
    for release in catalogue.RELEASES:
        assert set(catalogue.components(release)) <= set(catalogue.all_units())
