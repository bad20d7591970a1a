"""Random histories of two deployments; every promise is looked at after every move."""

from itertools import count

import hypothesis
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import Phase as HypothesisPhase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

import migrations
from rollout import execute, roll
from rollout.locks import DEAD_S
from tests.pure import endings, promises
from tests.pure.controller import Controller
from tests.pure.happenings import (
    HANDS,
    QUESTION,
    RELEASES,
    Hand,
    Site,
    Typed,
    breaks_the_database,
    desks,
    falls_asleep,
    incident,
    incidents,
    names,
    operators,
    others,
    same_or_another,
    seeds,
    sites,
    steps,
    upgrades,
)
from tests.pure.simulation import Incident
from tests.pure.turns import Pool

RULES = 8  # of one history, at most
FRESH = 10  # so many are drawn anew; those that follow in the same call are mostly variations
SPACING = 1 << 32


class Histories(RuleBasedStateMachine):
    """Two deployments, three desks, and everything that may happen."""

    told = 0
    moves = 0
    to_the_end = True

    @initialize(first=sites)
    def installed(self, first: Site) -> None:
        self.sim = first.simulation()
        self.sound = True
        type(self).told += 1

    @precondition(lambda self: self.all_done)
    @rule(next_=sites)
    def installed_anew(self, next_: Site) -> None:
        """Nothing is left to upgrade: the machines get old packages, empty disks and empty databases."""
        self.ends_well()
        self.sim.end()
        self.sim = next_.simulation()

    @property
    def all_done(self) -> bool:
        """True when every package is of the last release."""
        boxes = [box for estate in self.sim.estates.values() for box in estate.boxes.values()]
        return all(box.release(name) == RELEASES[-1] for box in boxes for name in box.installed)

    # --- what operators type -----------------------------------------------------------------------------

    def types(self, seed: int, *typed: tuple[str, Typed, list[Incident]]) -> None:
        """Operators type commands, all at the same time; each has its own incidents before it."""
        for by, command, what in typed:
            Controller(self.sim, by, what).begin(command)
        self.sim.play(seed)

    @precondition(lambda self: not self.all_done)
    @rule(command=upgrades, by=operators, what=incident, rounds=st.lists(incidents, min_size=1, max_size=3), seed=seeds)
    def an_upgrade_is_disturbed_and_typed_again(
        self, command: Typed, by: str, what: Incident, rounds: list[list[Incident]], seed: int
    ) -> None:
        rounds[0].append(what)
        for each in rounds:
            self.types(seed, (by, command, each))

    @rule(command=upgrades | others, by=operators, what=incidents, seed=seeds)
    def something_is_typed(self, command: Typed, by: str, what: list[Incident], seed: int) -> None:
        self.types(seed, (by, command, what))

    @precondition(lambda self: not self.all_done)
    @rule(first=upgrades, second=same_or_another, by=desks, what=incidents, also=incidents, seed=seeds)
    def two_type_at_the_same_time(
        self, first: Typed, second: Typed | None, by: list[str], what: list[Incident], also: list[Incident], seed: int
    ) -> None:
        self.types(seed, (by[0], first, what), (by[1], second or first, also))

    @precondition(lambda self: not self.all_done)
    @rule(
        first=upgrades | upgrades | others,
        when=falls_asleep,
        second=same_or_another,
        by=desks,
        released=st.booleans(),
        what=incidents,
        seed=seeds,
    )
    def somebody_takes_over_from_a_sleeper_who_wakes(
        self,
        first: Typed,
        when: Incident,
        second: Typed | None,
        by: list[str],
        released: bool,
        what: list[Incident],
        seed: int,
    ) -> None:
        self.types(seed, (by[0], first, [when]))
        self.sim.clock.sleep(DEAD_S + 10)
        if released:
            self.types(seed, (by[1], Typed("locks.release", "pair,single,last"), []))
        self.types(seed, (by[1] if released else by[0], second or first, what))
        self.those_asleep(seed, killed=False)

    @precondition(lambda self: any(each.can_break for each in self.sim.estates.values()))
    @rule(
        by=operators,
        rounds=st.lists(incidents, min_size=1, max_size=3),
        filled=st.booleans(),
        drop=st.booleans(),
        seed=seeds,
    )
    def a_database_breaks_and_is_repaired(
        self, by: str, rounds: list[list[Incident]], filled: bool, drop: bool, seed: int
    ) -> None:
        estate = next(each for each in self.sim.estates.values() if each.can_break)
        breaks_the_database(self.sim, estate, next(iter(estate.boxes)), "")
        if filled:
            estate.work()
        for each in rounds:
            if estate.shared.early:
                self.types(seed, (by, Typed("mistral.recover", estate.name, "--drop-rows" if drop else ""), each))

    # --- what else happens -------------------------------------------------------------------------------

    @rule(seed=seeds, killed=st.booleans(), seconds=st.sampled_from([1, 20, 40, 3600]), alone=st.booleans())
    def time_passes(self, seed: int, killed: bool, seconds: int, alone: bool) -> None:
        self.sim.clock.sleep(seconds)
        if alone:
            self.sim.go_on()
        for estate in self.sim.estates.values():
            estate.work()
        self.those_asleep(seed, killed=killed)

    def those_asleep(self, seed: int, *, killed: bool) -> None:
        """Whoever was stopped is killed, or goes on."""
        for each in (each for each in self.sim.controllers if each.asleep):
            if killed:
                each.die()
            else:
                each.wake()
        self.sim.play(seed)

    @rule(name=names, hand=st.sampled_from(HANDS), release=st.sampled_from(RELEASES[1:]), nth=st.integers(0, 3))
    def somebody_lends_a_hand(self, name: str, hand: Hand, release: str, nth: int) -> None:
        estate = self.sim.estates[name]
        hand(self.sim, estate, list(estate.boxes)[nth % len(estate.boxes)], release)

    @rule(name=names, step=steps, times=st.sampled_from([0, 1, 1, 99]))
    def a_step_will_fail_or_is_mended(self, name: str, step: str, times: int) -> None:
        self.sim.worlds[name].failing = {step: times}

    # --- what must hold ----------------------------------------------------------------------------------

    @invariant()
    def the_promises_hold(self) -> None:
        type(self).moves += 1
        self.sound = False
        promises.all_kept(self.sim)
        self.sound = True

    def ends_well(self) -> None:
        """Whatever is open is brought to its end."""
        if self.to_the_end:
            self.sound = False
            endings.all_end_well(self.sim)
            promises.all_kept(self.sim)
            self.sound = True

    def teardown(self) -> None:
        try:
            if self.sound:
                self.ends_well()
        finally:
            self.sim.end()


def tell(histories: int, seed: int, machine: type[Histories] = Histories) -> None:
    """Tell HISTORIES, drawn from SEED; raises what the first one that breaks a promise says."""
    for begun in range(0, histories, FRESH):
        chosen = settings(
            max_examples=min(FRESH, histories - begun),
            stateful_step_count=RULES,
            deadline=None,
            database=None,
            phases=[HypothesisPhase.generate],
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
            print_blob=False,
        )
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(migrations, "ALL", (*migrations.ALL, QUESTION))
            patch.setattr("tasks.plan.fresh_run", map("u{}".format, count()).__next__)
            for module in (execute, roll):
                patch.setattr(module, "ThreadPoolExecutor", Pool)
            run_state_machine_as_test(hypothesis.seed(seed * SPACING + begun)(machine), settings=chosen)
