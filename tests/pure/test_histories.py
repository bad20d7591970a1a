"""Every moment of a run, and every trouble in it: the same command again always ends where an undisturbed run ends."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import migrations
from rollout import plan as planner
from rollout.codec import Malformed
from rollout.errors import StormliftError
from rollout.execute import key_of
from rollout.model import DeploymentPlan, Kind, Phase, Repeat, Scope
from tests.pure.boxes import box, by_name, deployment, yum_box
from tests.pure.fleet import ControllerDied, Fleet
from tests.pure.machine import Moment, Trouble
from tests.pure.sketch import check, once, phase, plan, step

TRIES = 4
PROBE: dict[str, Any] = {"repeat": Repeat.PROBE, "postcondition": ("true",), "repair": ("true",)}
SMALL = plan(
    phase(Phase.STOP, step("stop"), check("quiet")),
    phase(Phase.PACKAGES, step("packages", **PROBE)),
    phase(Phase.MISTRAL, once("upgrade", "b", postcondition=("true",))),
)
# The web hosts go ahead, one by one.
FRONT = plan(
    phase(Phase.FETCH, step("fetch", "a", "web1", "web2")),
    *(
        each
        for web in ("web1", "web2")
        for each in (
            phase(Phase.STOP, step("stop", web), check("quiet", web), ahead=web),
            phase(Phase.PACKAGES, step("packages", web, **PROBE), ahead=web),
            phase(Phase.START, step("start", web), ahead=web),
        )
    ),
    phase(Phase.STOP, step("stop", "a"), check("quiet", "a")),
    phase(Phase.MISTRAL, once("upgrade", "a", postcondition=("true",))),
    phase(Phase.START, step("start", "a", "web1", "web2")),
    hosts=("a", "web1", "web2"),
)


def pair() -> DeploymentPlan:
    """The real plan of a pair, 1.4.0 to 2.2.1."""
    facts = by_name(box("a", "1.4.0"), yum_box("b", "1.4.0"))
    return planner.plan(deployment("pair", "a", "b"), facts, "2.2.1", migrations.ALL)


def undisturbed(planned: DeploymentPlan) -> tuple[tuple[Moment, ...], dict[tuple[str, str], str]]:
    """The moments of a run that nothing disturbs, and what it leaves behind."""
    fleet = Fleet(*planned.hosts)
    fleet.run(planned).execute()
    return tuple(sorted(set(fleet.moments), key=str)), dict(fleet.world.effects)


SMALL_MOMENTS, SMALL_EFFECTS = undisturbed(SMALL)
PAIR = pair()
PAIR_MOMENTS, PAIR_EFFECTS = undisturbed(PAIR)


def tried_until_done(fleet: Fleet, planned: DeploymentPlan, *, alone: bool, locked: bool) -> None:
    """The same command again and again; ALONE: what runs when the controller is gone ends before the next one comes."""
    said = ""
    for attempt in range(TRIES):
        try:
            fleet.again(planned, token=f"t{attempt}" if locked else "").execute()
        except (StormliftError, Malformed, ControllerDied) as error:
            said = str(error)
            if alone:
                fleet.go_on()
        else:
            return
    raise AssertionError(f"not through after {TRIES} tries: {said}")


def went_well(fleet: Fleet, planned: DeploymentPlan) -> None:
    """Nothing skipped, nothing run again after it finished, everything in order, everywhere recorded."""
    for host in planned.hosts:
        records = fleet.records(host)
        assert records[-1].event == "closed"
        steps = [(p, s) for p in planned.phases for s in p.steps if host in s.hosts and s.kind is Kind.RUN]
        keys = [key_of(p, s) for p, s in steps]
        done = [r.step for r in records if r.event == "finished" and r.code == 0 and r.host == host and r.step in keys]
        assert list(dict.fromkeys(done)) == keys, f"{host}: each step finishes, in the order of the plan"
        # What a run relies on (stopped, started) is brought about again when it is taken up; nothing else is.
        again = {key for key in done if done.count(key) > 1}
        assert again <= {key_of(p, s) for p, s in steps if p.name in (Phase.STOP, Phase.START)}
        shared = {key_of(p, s) for p in planned.phases for s in p.steps if s.scope is Scope.DEPLOYMENT}
        assert shared <= {r.step for r in records if r.event == "finished" and r.code == 0}


def one_by_one(fleet: Fleet) -> None:
    """A host that goes ahead is through before the next is touched, and is left alone when the others are stopped."""
    legs = [each.key.partition(":")[0] for each in fleet.world.ran]
    assert list(dict.fromkeys(legs)) == ["2.2.1", "2.2.1@web1", "2.2.1@web2"]
    stopped = next(i for i, each in enumerate(fleet.world.ran) if each.key == "2.2.1:stop")
    assert max(i for i, leg in enumerate(legs) if leg == "2.2.1@web1") < legs.index("2.2.1@web2")
    assert max(i for i, leg in enumerate(legs) if leg == "2.2.1@web2") < stopped


@pytest.mark.parametrize("planned", [SMALL, FRONT], ids=["small", "front hosts ahead"])
@pytest.mark.parametrize(
    "trouble",
    [Trouble.POWER, Trouble.SHUTDOWN, Trouble.ALONE, Trouble.BLIP, Trouble.AWAY, Trouble.LOST, Trouble.KILLED],
)
def test_any_moment_of_a_small_run(trouble: Trouble, planned: DeploymentPlan) -> None:
    alone = trouble is Trouble.KILLED
    moments, effects = undisturbed(planned)
    # Only a controller dies between two steps, too: in the middle of its own reading and writing.
    for moment in (each for each in moments if each.key or alone):
        fleet = Fleet(*planned.hosts)
        fleet.trouble[moment] = trouble
        tried_until_done(fleet, planned, alone=alone, locked=False)
        assert fleet.world.effects == effects
        went_well(fleet, planned)
        if planned is FRONT:
            one_by_one(fleet)


def test_any_moment_of_a_small_run_under_a_lock() -> None:
    for moment in (each for each in SMALL_MOMENTS if each.key):
        fleet = Fleet(*SMALL.hosts)
        fleet.trouble[moment] = Trouble.KILLED
        with pytest.raises(ControllerDied):
            fleet.again(SMALL, token="t0").execute()
        # One more command is enough; a second one would hide that the first gave up.
        fleet.again(SMALL, token="t1").execute()
        assert fleet.world.effects == SMALL_EFFECTS
        went_well(fleet, SMALL)


@pytest.mark.parametrize("trouble", [Trouble.TORN, Trouble.UNENDED])
def test_any_line_of_the_journal_may_be_cut_off(trouble: Trouble) -> None:
    for moment in (each for each in SMALL_MOMENTS if each.when in ("started", "finished")):
        fleet = Fleet(*SMALL.hosts)
        fleet.trouble[moment] = trouble
        tried_until_done(fleet, SMALL, alone=True, locked=False)
        assert fleet.world.effects == SMALL_EFFECTS
        went_well(fleet, SMALL)


@settings(max_examples=6, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(PAIR_MOMENTS),
        st.sampled_from([Trouble.POWER, Trouble.SHUTDOWN, Trouble.ALONE, Trouble.BLIP, Trouble.AWAY, Trouble.LOST]),
        max_size=3,
    )
)
def test_any_moments_of_a_real_plan(troubles: dict[Moment, Trouble]) -> None:
    fleet = Fleet(*PAIR.hosts)
    fleet.trouble.update(troubles)
    tried_until_done(fleet, PAIR, alone=True, locked=False)
    assert fleet.world.effects == PAIR_EFFECTS
    went_well(fleet, PAIR)
