"""A controller: one invoke command at somebody's desk, with the real planner, the real rollout and the real rules of the lock.

Controllers take turns, so that two of them may be anywhere in their work when one is killed, falls asleep or wakes.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, cast

from rollout import codec, pause, roll
from rollout.baseline import lines, overtaken
from rollout.batches import UNGATED, Pace, Rollout
from rollout.errors import PlanRefused, StormliftError, Unreachable
from rollout.execute import Run
from rollout.facts import Facts
from rollout.locks import DEAD_S, Me
from rollout.model import Deployment, Finding
from rollout.plan import Plan, whole
from rollout.repairs import Planner
from rollout.roll import Outcome
from tasks.plan import works_of
from tasks.work import Work, stop_if_inhibited
from tests.pure.fleet import ControllerDied, Fleet, MemoryLink
from tests.pure.machine import Machine, Moment, Trouble
from tests.pure.shift import Shift, Sitting, locked
from tests.pure.simulation import NEVER, Incident, Simulation
from tests.pure.turns import Player

PATIENCE = 40  # naps, after which whoever waits presses Ctrl-C


class Controller(Fleet):
    """One invoke command at somebody's desk. It is alive until it ends or is killed; asleep, it is stopped by SIGSTOP."""

    def __init__(self, sim: Simulation, by: str, incidents: Iterable[Incident] = ()) -> None:
        super().__init__()
        sim.controllers.append(self)
        self.sim = sim
        self.by = by
        self.typed = sim.number()
        self.clock = sim.clock
        self.machines = sim.machines
        self.incidents = list(incidents)
        self.pace = UNGATED
        self.rollout = Rollout()
        self.outcomes: list[Outcome] = []
        self.touched: list[str] = []
        self.errors: list[StormliftError] = []
        self.findings: tuple[Finding, ...] = ()
        self.visits: Counter[str] = Counter()
        self.halts: list[Callable[[], None]] = []
        self.player: Player | None = None
        self.killed = False
        self.asleep = False
        self.stopping = False
        self._naps = 0
        self._quiet_since: float | None = None
        self._woken = 0.0

    # --- life and death ----------------------------------------------------------------------------------

    @property
    def alive(self) -> bool:
        """True while its process is there."""
        return not self.killed and self.player is not None and not self.player.done

    @property
    def last_sign(self) -> float:
        """When it last gave a sign of life; the thread that gives them works while it is alive and awake."""
        return self.clock() if self._quiet_since is None else self._quiet_since

    @property
    def awake_for(self) -> float:
        """Seconds since it last woke."""
        return self.clock() - self._woken

    @property
    def error(self) -> BaseException | None:
        """What ended the command, if it did not end well."""
        return self.player.error if self.player else None

    def sleep(self) -> None:
        """SIGSTOP."""
        self.asleep, self._quiet_since = True, self.clock()

    def wake(self) -> None:
        """SIGCONT."""
        self.asleep, self._quiet_since, self._woken = False, None, self.clock()

    def die(self) -> None:
        """SIGKILL."""
        self.killed, self.asleep = True, False
        self._quiet_since = self.clock() if self._quiet_since is None else self._quiet_since
        for link in self._links:
            link.dead.set()

    def ctrl_c(self) -> None:
        """SIGINT, once: as tasks.edge.Desk takes it, but that a halt is heard before anybody else has a turn."""
        if not self.stopping:
            self.stopping = True
            for halt in self.halts[:]:
                halt()

    def work_through(self, links: Mapping[str, MemoryLink], run: Run) -> Callable[[], None]:
        """Work over LINKS from now on; gives what halts RUN there."""
        self._links += links.values()

        def halt() -> None:
            for host, link in links.items():
                with suppress(Unreachable):  # what runs there goes on by itself
                    link.halt(run.id)
                    self.sim.halted[run.id, run.fence, host] = self.sim.number()

        return halt

    def new_segment(self) -> str:
        """A name that no other submission has."""
        return f"s{self.sim.number()}"

    def begin(self, command: Callable[["Controller"], list[Outcome]]) -> "Controller":
        """Type COMMAND; it works when turns are given."""

        def typed() -> None:
            try:
                self.outcomes = command(self)
            finally:
                if not self.killed:
                    self._quiet_since = self.clock()

        self.player = self.sim.turns.join(typed, lambda: not self.asleep)
        return self

    def meet(self, link: MemoryLink | None, machine: Machine, moment: Moment) -> None:
        """A moment that this controller watches; then somebody else may have the turn."""
        if moment.when in ("recorded", "kept") and link and link.token != machine.token:
            self.sim.strangers.append(f"{self.by} wrote to {machine.name} without its lock: {moment.when}")
        if moment.when not in ("facts", "nap"):
            self.visits[self.sim.deployment_of[machine.name]] += 1
        for at, incident in [each for each in enumerate(self.incidents) if each[1].fits(moment)]:
            if incident.skip:
                self.incidents[at] = replace(incident, skip=incident.skip - 1)
                continue
            self.incidents[at] = NEVER
            if incident.what is Trouble.KILLED:
                self.die()
            elif isinstance(incident.what, Trouble):
                self.trouble[moment] = incident.what
                super().meet(cast(MemoryLink, link), machine, moment)
            else:
                incident.what(self, moment)
        self._turn()

    def call(self, host: str, what: str) -> None:
        """Ask HOST for something outside of a run."""
        if self.killed:
            raise ControllerDied
        self.meet(None, self.machines[host], Moment(host, what, ""))

    def nap(self, seconds: float) -> None:
        """Let SECONDS pass; whoever has napped too often wants to go home."""
        self.clock.sleep(seconds)
        self._naps += 1
        if self._naps > PATIENCE:
            self.ctrl_c()
        first = self.rollout.names[0]
        self.call(next(iter(self.sim.estates[first].boxes)), "nap")

    def _turn(self) -> None:
        if not self.killed:
            self.sim.turns.turn()
        if self.killed:
            raise ControllerDied

    # --- looking -----------------------------------------------------------------------------------------

    def gather(self, names: Iterable[str]) -> dict[str, Facts]:
        """The facts of hosts, as they are when each of them is asked."""
        found = {}
        for name in names:
            self.call(name, "facts")
            found[name] = self.sim.facts(name)
        return found

    def chosen(self, words: str) -> tuple[Deployment, ...]:
        """The deployments that --hosts WORDS names."""
        return self.sim.inventory.select(words, whole=True).deployments

    # --- commands ----------------------------------------------------------------------------------------

    def upgrade(self, words: str, to: str, pace: Pace, answers: Mapping[str, str] | None = None) -> list[Outcome]:
        """invoke upgrade --hosts WORDS --to TO --settle ANSWERS --yes, at PACE"""
        self.pace = pace
        works, plan = works_of(cast(Any, Sitting(self)), words, to, pace)
        return self._roll(works, plan, "upgrade", answers or {})

    def repair(self, words: str, command: str, plan_of: Planner, drop_rows: bool = False) -> list[Outcome]:
        """invoke mistral.recover, mistral.upgrade, services.*: planned anew from what is there now."""
        works = []
        for each in self.chosen(words):
            facts = self.gather(host.name for host in each.hosts)
            works.append(Work(each, plan_of(each, facts), facts, self.sim.new_run()))
            if drop_rows:
                self.sim.drop_rows_said.add(works[-1].run)
        return self._roll(works, whole((work.plan for work in works), UNGATED), command, {})

    def _roll(self, works: list[Work], plan: Plan, command: str, answers: Mapping[str, str]) -> list[Outcome]:
        self.findings = plan.findings
        stop_if_inhibited(plan)
        todo = {work.deployment.name: work for work in works if not work.plan.empty}
        if not todo:
            return []
        self.rollout = plan.rollout
        outcomes = roll.roll(plan.rollout, Shift(self, todo, plan, command, answers))
        self.touched = [each.name for each in outcomes if each.outcome == "not attempted" and self.visits[each.name]]
        return outcomes

    def baseline(self, words: str, release: str, abandon: bool = False) -> list[Outcome]:
        """invoke migrations.baseline --hosts WORDS --release RELEASE [--abandon] --yes"""
        for each in self.chosen(words):
            facts = self.gather(host.name for host in each.hosts)
            abandons, run = overtaken(each, facts, release, abandon=abandon), self.sim.new_run()
            fence = 1 + max(known.fence for known in facts.values())
            links = {name: MemoryLink(self, self.machines[name], "") for name in facts}
            said = lines(
                each, release, run=run, abandons=abandons, reason="a test", by=self.by, tool="", at=int(self.clock()),
                fence=fence,
            )  # fmt: skip
            with locked(self, "migrations.baseline", each.name, Me(self.by, run, abandons), fence, links):
                for link in links.values():
                    link.record(said)
        return []

    def pause(self, words: str) -> list[Outcome]:
        """invoke pause --hosts WORDS"""
        for each in self.chosen(words):
            line = pause.line("paused", each.name, self.by, self.clock(), {"token": str(self.sim.number())})
            for host in each.hosts:
                self._write(host.name, line)
                self.sim.pauses[host.name] = self.sim.number()
        return []

    def resume(self, words: str) -> list[Outcome]:
        """invoke resume --hosts WORDS"""
        for each in self.chosen(words):
            line = pause.line("resumed", each.name, self.by, self.clock(), {"token": str(self.sim.number())})
            for host in each.hosts:
                self._write(host.name, line)
                self.sim.pauses.pop(host.name, None)
        return []

    def release_locks(self, words: str) -> list[Outcome]:
        """invoke locks.release --hosts WORDS --yes"""
        facts = self.gather(host.name for each in self.chosen(words) for host in each.hosts)
        held = {name: each.lock for name, each in facts.items() if each.lock}
        if any(lock.age < DEAD_S for lock in held.values()):
            raise PlanRefused("its holder gave a sign of life", "wait for it")
        for name, lock in held.items():
            self._write(name, codec.canonical({"v": 1, "run": "-", "event": "lock-released", "by": self.by}))
            self.call(name, "release-lock")
            self.sim.give_back(name, lock.token)
        return []

    def _write(self, host: str, line: str) -> None:
        """A journal line of no run, for which no lock is asked."""
        self.call(host, "write")
        self.machines[host].record(line)
