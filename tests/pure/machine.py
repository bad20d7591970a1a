"""One host in memory, with a journal, a lock and a runner that is no nicer than remote/onhost/runner.sh.

Its time passes in moments; a test may put trouble into any of them. Steps go on although nobody watches them.
"""

import json
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import Protocol

from rollout import journal
from rollout.execute import Job
from rollout.model import Step

FENCED, NOT_SETTLED, NOT_PROVED, NOT_JOURNALLED = 77, 75, 76, 73


class Trouble(Enum):
    """What may happen to a run: the controller is killed, its link is lost for good, for a moment, or until the host
    is through with what runs there; the runner alone is killed, and the command that it began goes on; the host shuts
    down and lets the running step end; it loses power (in the middle of a journal line, too, or just before its end); from
    now on its disk is full."""

    KILLED = "killed"
    LOST = "lost"
    BLIP = "blip"
    AWAY = "away"
    ALONE = "alone"
    SHUTDOWN = "shutdown"
    POWER = "power"
    TORN = "torn"
    UNENDED = "unended"
    FULL = "full"


class World(Protocol):
    """What steps change, as the runner of a host meets it."""

    @property
    def clock(self) -> Callable[[], float]:
        """Seconds since 1970."""

    def begin(self, host: str, step: Step, key: str, head: str) -> None:
        """STEP is journalled as started; HEAD is what its own journal lines begin with."""

    def halve(self, host: str, step: Step, key: str) -> None:
        """The command is in the middle of its work."""

    def act(self, host: str, step: Step, key: str, attempt: int) -> int:
        """The command runs to its end; gives its exit code."""

    def repair(self, host: str, step: Step, key: str, attempt: int) -> None:
        """The repair runs."""

    def settles(self, host: str, step: Step) -> bool:
        """Whether the command takes hold within the tries of one issue."""

    def proves(self, host: str, step: Step, key: str, attempt: int) -> int:
        """What the postcondition says: 0 done, 1 not begun, 2 partial."""

    def reboot(self, host: str) -> None:
        """The host lost its power, and is back."""


@dataclass(frozen=True)
class Moment:
    """A point in a host's time: before, started, half, acted, proved or finished in a step, or a call of the link."""

    host: str
    when: str
    key: str
    attempt: int = 1


@dataclass
class Segment:
    """The steps of one request, as the runner works through them; `over` when it said @end, `dead` when it cannot, `alone`
    when the runner is gone and its command is not; `command` while one runs; `ending` when the host shuts down."""

    name: str
    jobs: tuple[Job, ...]
    token: str
    events: str = ""
    over: bool = False
    dead: bool = False
    alone: bool = False
    ending: bool = False
    command: bool = False
    work: Iterator[Moment] = field(default_factory=lambda: iter(()))

    @property
    def run(self) -> str:
        """Whose steps they are."""
        return str(json.loads(self.jobs[0].head + "}")["run"])

    def say(self, line: str) -> None:
        """Write an event (all of them are ASCII: a character is a byte)."""
        self.events += f"{line}\n"


class Machine:
    """A host: `journal` is its file as text, `token` that of its lock, `kept` its files by run and name."""

    def __init__(self, name: str, world: World) -> None:
        self.name = name
        self.world = world
        self.journal = ""
        self.token = ""
        self.full = False
        self.kept: dict[tuple[str, str], str] = {}
        self.segments: list[Segment] = []
        self._halts: set[str] = set()

    # --- the journal (common.sh) -------------------------------------------------------------------------

    def append(self, line: str) -> bool:
        """journal: a torn last line is marked and ended first; False when the disk is full."""
        if self.full:
            return False
        if self.journal and not self.journal.endswith("\n"):
            self.journal += " #torn\n"
        self.journal += f"{line}\n"
        return True

    def record(self, line: str) -> bool:
        """record: append LINE unless the very same line is there; False when the disk is full."""
        return line in self.journal.split("\n") or self.append(line)

    def tear(self, missing: float = 0.5) -> None:
        """The last part of the last line never reached the disk; with 0 it is the line's end alone."""
        whole, _, last = self.journal.rstrip("\n").rpartition("\n")
        self.journal = (f"{whole}\n" if whole else "") + last[: len(last) - int(len(last) * missing)]

    # --- the runner (runner.sh) --------------------------------------------------------------------------

    def submit(self, name: str, jobs: tuple[Job, ...], token: str) -> Segment:
        """submit: the segment NAME if it was begun, else the one that runs here already, else a new one."""
        known = next((each for each in self.segments if each.name == name), None)
        busy = next((each for each in self.segments if not each.over and not each.dead), None)
        if found := known or busy:
            return found
        segment = Segment(name, jobs, token)
        segment.work = self._work(segment)
        self.segments.append(segment)
        return segment

    @property
    def halted(self) -> bool:
        """Whether anything was ever halted here."""
        return bool(self._halts)

    def halt(self, run: str, name: str) -> None:
        """halt: what runs here for RUN begins no further step, nor does the segment NAME when it comes."""
        ours = [each.name for each in self.segments if not each.over and not each.dead and each.run == run]
        self._halts |= {name, *ours}

    def move(self, segment: Segment) -> Moment | None:
        """Let the host work until its next moment; None when the segment is over."""
        return next(segment.work, None)

    def lose_power(self) -> None:
        """Everything that runs here ends at once."""
        for segment in self.segments:
            segment.dead = segment.dead or not segment.over
        self.world.reboot(self.name)

    def shut_down(self) -> None:
        """The runner gets TERM: the step that runs may end, none begins."""
        for segment in self.segments:
            segment.ending = True

    def lose_runner(self) -> None:
        """Somebody kills the runner, and nothing else."""
        for segment in self.segments:
            segment.alone = segment.command
            segment.dead = segment.dead or not (segment.over or segment.command)

    def go_on(self) -> None:
        """What runs here runs to its end, unwatched."""
        for segment in self.segments:
            while not segment.dead and not segment.over and self.move(segment):
                pass

    def _work(self, segment: Segment) -> Iterator[Moment]:
        moved = next((job.key for job in segment.jobs if self._moved(segment.run, job)), "")
        if moved:
            segment.say(f"@halted {moved} {self.world.clock()}")
        for job in segment.jobs if not moved else ():
            yield Moment(self.name, "before", job.key, job.todo.attempt)
            if segment.name in self._halts or segment.ending:
                segment.say(f"@halted {job.key} {self.world.clock()}")
                break
            if (yield from self._step(segment, job)) != 0 or segment.dead:
                break
        if not segment.dead:
            segment.say("@end")
            segment.over = True

    def _moved(self, run: str, job: Job) -> bool:
        """fresh: the journal says of JOB what whoever decided on it did not know."""
        lines = [line for line in self.journal.split("\n") if f'"step":"{job.key}"' in line]
        known = {(r.event, r.attempt) for line in lines for r in journal.parse(line) if r.run == run}
        last = ("finished", job.todo.attempt - 1)
        return ("started", job.todo.attempt) in known or (job.todo.unended and last in known)

    def _step(self, segment: Segment, job: Job) -> Generator[Moment, None, int]:
        step, key, attempt = job.todo.step, job.key, job.todo.attempt
        if segment.token and self.token != segment.token:
            segment.say(f"@finished {key} {self.world.clock()} {FENCED} false")
            return FENCED
        if job.todo.prove_first and step.postcondition and self.world.proves(self.name, step, key, attempt) == 0:
            yield Moment(self.name, "proved", key, attempt)
            return (yield from self._ended(segment, job, 0, proved=True))
        if not self.append(f'{job.head},"event":"started","at":{int(self.world.clock())},"attempt":{attempt}}}'):
            segment.say(f"@finished {key} {self.world.clock()} {NOT_JOURNALLED} false")
            return NOT_JOURNALLED
        self.world.begin(self.name, step, key, job.head)
        yield Moment(self.name, "started", key, attempt)
        segment.say(f"@started {key} {self.world.clock()}")
        if attempt > 1 and step.repair:
            self.world.repair(self.name, step, key, attempt)
        self.world.halve(self.name, step, key)
        segment.command = True
        yield Moment(self.name, "half", key, attempt)
        segment.command = False
        if segment.alone:
            self.world.act(self.name, step, key, attempt)
            segment.dead = True
            return 0
        code = self._do(step, key, attempt)
        yield Moment(self.name, "acted", key, attempt)
        if code != 0 and segment.ending:
            segment.dead = True
            return code
        return (yield from self._ended(segment, job, code))

    def _do(self, step: Step, key: str, attempt: int) -> int:
        code = self.world.act(self.name, step, key, attempt)
        if code == 0 and step.settle and not self.world.settles(self.name, step):
            code = NOT_SETTLED
        if code == 0 and step.postcondition and self.world.proves(self.name, step, key, attempt) != 0:
            code = NOT_PROVED
        return code

    def _ended(self, segment: Segment, job: Job, code: int, proved: bool = False) -> Generator[Moment, None, int]:
        at, word = self.world.clock(), "true" if proved else "false"
        if not self.append(
            f'{job.head},"event":"finished","at":{int(at)},"attempt":{job.todo.attempt},"code":{code},'
            f'"data":{{"proved":{word}}}}}'
        ):
            code = NOT_JOURNALLED
        yield Moment(self.name, "finished", job.key, job.todo.attempt)
        segment.say(f"| what {job.todo.step.id} said\n| its last line")
        segment.say(f"@finished {job.key} {at} {code} {word}")
        return code
