"""The crew of a controller in memory: the real one of tasks/, but for the lock, the links, and the time that passes."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from rollout import locks
from rollout.errors import HookFailed, Locked, StepFailed, StormliftError
from rollout.execute import Run
from rollout.facts import Facts
from rollout.locks import BEAT_S, Me
from rollout.model import Hook, Host
from rollout.plan import Plan
from rollout.roll import Outcome
from tasks.crew import DONE, Crew, failed
from tasks.hooks import Hooks
from tasks.work import Work
from tests.pure.fleet import MemoryLink
from tests.pure.simulation import Lock

if TYPE_CHECKING:
    from inventory.selection import Selection
    from rollout.events import Event
    from tests.pure.controller import Controller

LOCK_TRIES = 60
Links = dict[str, MemoryLink]


class Shift(Crew):
    """Who carries out one command of CONTROLLER."""

    def __init__(
        self,
        controller: "Controller",
        works: Mapping[str, Work],
        plan: Plan,
        command: str,
        answers: Mapping[str, str],
    ) -> None:
        sitting = cast(Any, Sitting(controller))
        super().__init__(sitting, works, plan, Hooks(sitting, dict(works), plan, command), command, answers)
        self._came_out: dict[str, str] = {}
        self._controller = controller
        self._sim = controller.sim

    def clock(self) -> float:
        """The time of all hosts and desks."""
        return self._controller.clock()

    def nap(self, seconds: float) -> None:
        """Let SECONDS pass; others work meanwhile."""
        self._controller.nap(seconds)

    def before_batch(self, number: int) -> Mapping[str, HookFailed]:
        """What the one before is like at this moment is looked at by the promises."""
        if number > 1 and self._controller.pace.gate_deadline_s:
            before = self._plan.rollout.batches[number - 2]
            done = [name for name in before if self._came_out[name] == "upgraded"]
            self._sim.unwell += [f"{sick}" for name in done if (sick := self.look(name))]
        return super().before_batch(number)

    def finished(self, outcome: Outcome) -> None:
        """The last one said counts."""
        self._came_out[outcome.name] = outcome.outcome
        super().finished(outcome)

    def _carried_out(self, work: Work, number: int) -> Outcome:
        mine = self._controller
        fence = 1 + max(each.fence for each in work.facts.values())
        if self._answers:
            self._sim.answered.add((work.run, fence))
        self._sim.typed[work.run, fence] = mine.typed
        links = {name: MemoryLink(mine, mine.machines[name], "") for name in work.plan.hosts}
        run = Run(
            work.run,
            work.plan,
            links,
            mine.tell,
            mine.clock,
            mine.by,
            "stormlift test",
            fence,
            stopping=self.stopping,
            lost=lambda: self._lost(links),
            answers=self._answers,
        )
        if self._command == "upgrade":
            run.before_stop = lambda hosts: self._before_stop(work, number, hosts)
            run.before_close = lambda: self._hooks.after_hosts(work, number)
        try:
            me = Me(mine.by, work.run, work.plan.abandons)
            name = work.deployment.name
            with locked(mine, self._command, name, me, fence, links), self._halted_by_ctrl_c(links, run):
                run.execute()
        except StormliftError as error:
            mine.errors.append(error)
            return failed(error, work, run, self._command)
        return Outcome(work.deployment.name, DONE.get(self._command, "done"), work.plan.hosts, run=work.run)

    @contextmanager
    def _halted_by_ctrl_c(self, links: Links, run: Run) -> Iterator[None]:
        halt = self._controller.work_through(links, run)
        self._controller.halts.append(halt)
        try:
            yield
        finally:
            self._controller.halts.remove(halt)

    # --- the lock, as remote.lock.DeploymentLock takes it ---------------------------------------------------

    def _lost(self, links: Links) -> bool:
        """Whether its signs of life have met another's lock: one after waking, they are given again after a while."""
        beaten = self._controller.awake_for >= BEAT_S
        return beaten and any(self._sim.machines[host].token != link.token for host, link in links.items())


@contextmanager
def locked(controller: "Controller", command: str, name: str, me: Me, fence: int, links: Links) -> Iterator[None]:
    """Hold the lock of the deployment NAME for COMMAND while the block runs. Raises Locked."""
    taken: list[str] = []
    try:
        for host in sorted(links):
            links[host].token = _take(controller, command, name, me, fence, host)
            taken.append(host)
        yield
    finally:
        for host in reversed(taken):
            if not controller.killed:
                controller.call(host, "unlock")
                controller.sim.give_back(host, links[host].token)


def _take(mine: "Controller", command: str, name: str, me: Me, fence: int, host: str) -> str:
    for _ in range(LOCK_TRIES):
        mine.call(host, "lock-show")
        there = mine.sim.locks.get(host)
        runs_here = there.holder.alive if there and there.holder.by == mine.by else None
        seen = mine.sim.lock_facts(host)
        what, value = locks.decide(name, seen, me, runs_here)
        if what == "take":
            mine.call(host, "lock-take")
            lock = Lock(f"t{mine.sim.number()}", fence, me.run, command, mine)
            if mine.sim.take(host, lock, value, seen.age if seen else 0):
                return lock.token
        mine.clock.sleep(1.0)
    raise Locked(f"{name}: its lock did not come free", "look: invoke locks.show")


@dataclass(frozen=True)
class Sitting:
    """As much of tasks.edge.Desk as planning and a crew take."""

    controller: "Controller"
    hooks: tuple[Hook, ...] = ()

    @property
    def by(self) -> str:
        """Who sits there."""
        return self.controller.by

    @property
    def stopping(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.controller.stopping

    @property
    def fleet(self) -> "Sitting":
        """The hosts."""
        return self

    def select(self, words: str, *, whole: bool) -> "Selection":
        """What --hosts names."""
        return self.controller.sim.inventory.select(words, whole=whole)

    def facts(self, hosts: Iterable[Host], *, work: bool = False) -> dict[str, Facts]:
        """What HOSTS say."""
        return self.controller.gather(host.name for host in hosts)

    def tell(self, event: "Event") -> None:
        """Write EVENT down."""
        self.controller.tell(event)

    def __getitem__(self, host: str) -> "Shelf":
        return Shelf(self.controller, host)


@dataclass(frozen=True)
class Shelf:
    """A host that is looked at."""

    controller: "Controller"
    name: str

    def probe(self, verb: str, *words: str) -> str:
        """kept, paused, or a check as it stands at once. Raises StepFailed."""
        sim = self.controller.sim
        machine = sim.machines[self.name]
        if verb == "kept":
            if (text := machine.kept.get((words[0], words[1]))) is None:
                raise StepFailed(f"{self.name}: kept: no such file", host=self.name)
            return text
        if verb == "paused":
            # Its journal's last word on it; a line that was cut off counts as not written.
            said = [
                line
                for line in machine.journal.split("\n")
                if '"event":"paused"' in line or '"event":"resumed"' in line
            ]
            return said[-1] if said and '"event":"paused"' in said[-1] else ""
        assert verb == "at-once", verb
        if sim.worlds[sim.deployment_of[self.name]].run(self.name, ("stormlift-host", *words)) != 0:
            raise StepFailed(f"{self.name}: {words[0]}: it is not so", host=self.name)
        return ""
