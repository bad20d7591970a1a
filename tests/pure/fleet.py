"""An in-memory fleet for rollout.execute: machines, a controller's links to them, runs begun and taken up again."""

import itertools
import json
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache

from remote.stream import Stream
from rollout import journal
from rollout.codec import Malformed, decode, digest
from rollout.errors import LinkLost, StepFailed, Unreachable
from rollout.events import Event
from rollout.execute import PLAN_FILE, Job, Run, Told, rest, taken_over
from rollout.journal import Record
from rollout.model import DeploymentPlan
from tests.pure.machine import NOT_SETTLED, Machine, Moment, Segment, Trouble
from tests.pure.world import Clock, World

_REISSUE_WAIT_S = 2.0
_FRUITLESS = 20


# The same lines are read again and again: by every controller, after every step, by every test.
_read = lru_cache(maxsize=1 << 15)(journal.parse)


def parsed(text: str) -> tuple[Record, ...]:
    """What journal.parse makes of TEXT, whose mistakes are of one line each."""
    *whole, last = text.split("\n")
    return tuple(record for line in (*(f"{each}\n" for each in whole), last) for record in _read(line))


class ControllerDied(BaseException):
    """kill -9: no handler of the controller runs any more."""


class LinkBroke(Exception):
    """The connection is gone, and can be made again at once."""


class MemoryLink:
    """One controller's link to one machine, as remote.host.RemoteHost is one; the events are read by the real reader."""

    def __init__(self, fleet: "Fleet", machine: Machine, token: str) -> None:
        self._fleet = fleet
        self._machine = machine
        self.token = token
        self._calls = 0
        self._halted = ""
        self._following = ""
        self.down = False
        self.dead = threading.Event()

    def change(self, run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        """Start JOBS or attach to what runs there; what did not settle is issued again, as often as its step allows."""
        left, issues = jobs, {job.key: job.todo.step.settle.issues for job in jobs if job.todo.step.settle}
        while True:
            for told in self._segment(run, left):
                if told.kind == "finished" and told.code == NOT_SETTLED and issues.get(told.key, 1) > 1:
                    issues[told.key] -= 1
                    left = rest(left, told.key)
                    self._machine.go_on()  # the runner writes @end and is gone long before the next issue
                    self._fleet.clock.sleep(_REISSUE_WAIT_S)
                    break
                yield told
            else:
                return

    def halt(self, run: str) -> None:
        """RUN begins no further step on the machine."""
        self._halted = run
        if self.down or self.dead.is_set():
            raise Unreachable(f"{self._machine.name}: the link is down")
        if self._following:
            self._machine.halt(run, self._following)

    def _segment(self, run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        """One submission, followed over as many connections as it takes."""
        name, stream, fruitless = self._fleet.new_segment(), Stream(str), 0
        self._following = name
        if self._halted == run:
            yield Told("halted", jobs[0].key)
            return
        while not stream.over:
            stream.connected()
            before = stream.offset
            segment = self._machine.submit(name, jobs, self.token)
            own = segment.name == name
            try:
                stream.read(f"@follow {'own' if own else 'busy'}")
                for line in self._follow(segment, stream.offset if own else 0):
                    if told := stream.read(line):
                        yield told
            except LinkBroke:
                self._fleet.tell(Event("link-lost", self._fleet.clock(), host=self._machine.name))
            fruitless = fruitless + 1 if stream.offset == before else 0
            if fruitless >= _FRUITLESS and not stream.over:
                raise StepFailed(f"{self._machine.name}: the host did not take the steps", host=self._machine.name)

    def records(self) -> tuple[Record, ...]:
        """The machine's journal, read now."""
        self._call("records")
        try:
            return parsed(self._machine.journal)
        except Malformed as error:
            raise StepFailed(f"{self._machine.name}: {error}", "", host=self._machine.name) from None

    def record(self, lines: Iterable[str]) -> None:
        """Append LINES that are not there yet."""
        for line in lines:
            self._call("record")
            self._must_hold()
            if not self._machine.record(line):
                raise StepFailed(f"{self._machine.name}: record: is the disk full?", host=self._machine.name)
            self._call("recorded")

    def keep(self, run: str, name: str, text: str) -> None:
        """Keep TEXT as a file of RUN."""
        self._call("keep")
        self._must_hold()
        self._machine.kept[run, name] = text
        self._call("kept")

    def _must_hold(self) -> None:
        if self.token and self._machine.token != self.token:
            raise taken_over(self._machine.name)

    def _call(self, what: str) -> None:
        self._calls += 1
        if self.dead.is_set():
            raise ControllerDied
        self._fleet.meet(self, self._machine, Moment(self._machine.name, what, "", self._calls))

    def _follow(self, segment: Segment, at: int) -> Iterator[str]:
        """The event lines from AT on, until the segment ends or dies; the machine works meanwhile."""
        while True:
            if self.dead.is_set():
                raise ControllerDied
            while at < len(segment.events):
                line = segment.events[at:].partition("\n")[0]
                at += len(line) + 1
                yield line
            if segment.over:
                return
            if segment.dead:
                yield "@gone"
                return
            if segment.alone:
                yield "@alone"
            if moment := self._machine.move(segment):
                self._fleet.meet(self, self._machine, moment)


class Fleet:
    """Machines by name, one world, one clock; `trouble` says what happens in which moment, `moments` what was."""

    def __init__(self, *names: str) -> None:
        self.clock = Clock()
        self.world = World(self.clock)
        self.machines = {name: Machine(name, self.world) for name in names}
        self.trouble: dict[Moment, Trouble] = {}
        self.moments: list[Moment] = []
        self.events: list[Event] = []
        self._segments = itertools.count(1)
        self._links: list[MemoryLink] = []

    # --- trouble -----------------------------------------------------------------------------------------

    def at(self, host: str, when: str, key: str, trouble: Trouble, attempt: int = 1) -> None:
        """TROUBLE in that moment, once."""
        self.trouble[Moment(host, when, key, attempt)] = trouble

    def meet(self, link: MemoryLink, machine: Machine, moment: Moment) -> None:
        """A moment that a controller watches: note it, and let its trouble happen."""
        self.moments.append(moment)
        trouble = self.trouble.pop(moment, None)
        if trouble in (Trouble.TORN, Trouble.UNENDED):
            machine.tear(0.5 if trouble is Trouble.TORN else 0.0)
        if trouble in (Trouble.POWER, Trouble.TORN, Trouble.UNENDED):
            machine.lose_power()
        elif trouble is Trouble.ALONE:
            machine.lose_runner()
        elif trouble is Trouble.SHUTDOWN:
            machine.shut_down()
        elif trouble is Trouble.FULL:
            machine.full = True
        elif trouble is Trouble.LOST:
            link.down = True
            raise LinkLost(
                f"{machine.name}: the link was lost", "the same command again picks it up", host=machine.name
            )
        elif trouble in (Trouble.BLIP, Trouble.AWAY) and moment.key:
            if trouble is Trouble.AWAY:
                machine.go_on()
            raise LinkBroke
        elif trouble is Trouble.KILLED:
            for each in self._links:
                each.dead.set()
            raise ControllerDied

    def new_segment(self) -> str:
        """A name that no other submission has."""
        return f"s{next(self._segments)}"

    def go_on(self) -> None:
        """Everything that runs on any machine runs to its end, unwatched."""
        for machine in self.machines.values():
            machine.go_on()

    # --- controllers -------------------------------------------------------------------------------------

    def links(self, token: str = "") -> dict[str, MemoryLink]:
        """A new controller's links, under the lock TOKEN (none when it is empty)."""
        made = {name: MemoryLink(self, machine, token) for name, machine in self.machines.items()}
        self._links = list(made.values())
        return made

    def lock(self, token: str) -> None:
        """The deployment's lock is TOKEN's now, on every machine."""
        for machine in self.machines.values():
            machine.token = token

    def run(
        self,
        plan: DeploymentPlan,
        run: str = "r1",
        *,
        token: str = "",
        answers: Mapping[str, str] | None = None,
        stopping: Callable[[], bool] = lambda: False,
        lost: Callable[[], bool] = lambda: False,
    ) -> Run:
        """A controller that is about to carry out PLAN as RUN; it holds the lock TOKEN if it has one."""
        if token:
            self.lock(token)
        return Run(
            id=run,
            plan=plan,
            links=self.links(token),
            sink=self.tell,
            clock=self.clock,
            by="op@console",
            tool="stormlift test",
            answers=answers or {},
            stopping=stopping,
            lost=lost,
        )

    def again(self, plan: DeploymentPlan, *, token: str = "", answers: Mapping[str, str] | None = None) -> Run:
        """The same command again: the open run with the plan that it kept; a run of PLAN that is closed has nothing
        left to do (the planner would say so); else PLAN as a new run."""
        ours = ""
        for machine in self.machines.values():
            records = parsed(machine.journal)
            opened = journal.open_run(records, plan.command)
            if opened is not None:
                kept = decode(DeploymentPlan, json.loads(machine.kept[opened.run, PLAN_FILE]))
                assert digest(kept) == opened.digest
                return self.run(kept, opened.run, token=token, answers=answers)
            ours = next((r.run for r in records if r.event == "opened" and r.digest == digest(plan)), ours)
        runs = {run for machine in self.machines.values() for run, _ in machine.kept}
        return self.run(plan, ours or f"r{len(runs) + 1}", token=token, answers=answers)

    def tell(self, event: Event) -> None:
        """The sink of every run."""
        self.events.append(event)

    # --- read by tests -----------------------------------------------------------------------------------

    def records(self, host: str) -> tuple[Record, ...]:
        """The journal of HOST."""
        return parsed(self.machines[host].journal)

    def history(self, host: str, step: str) -> list[tuple[str, int, int]]:
        """Event, attempt and code of what the journal of HOST says of STEP."""
        return [(r.event, r.attempt, r.code) for r in self.records(host) if r.step.endswith(f":{step}")]

    def passed(self) -> set[tuple[str, str, str]]:
        """Host, step and kind of every moment that was."""
        return {(each.host, each.key, each.when) for each in list(self.moments)}

    def told(self, *kinds: str) -> list[tuple[str, str, str]]:
        """Kind, host and step (or phase) of the events of KINDS, in order."""
        return [(each.kind, each.host, each.step or each.phase) for each in self.events if each.kind in kinds]
