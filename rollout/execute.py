"""Run one deployment's plan: phases with barriers, journals copied, interrupted steps settled by their repeat class.

Pure of machines: hosts are given as Links, time as a function, and whatever happens is told to a sink of events.
"""

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from rollout import journal
from rollout.codec import canonical, digest
from rollout.downtime import Down, downtimes
from rollout.errors import Interrupted, LinkLost, Locked, StepFailed, StormliftError, Undecided, Unreachable
from rollout.events import Event, Sink
from rollout.journal import Record, Todo
from rollout.model import DeploymentPlan, Kind, Phase, PhasePlan, Scope, Step
from rollout.stretches import STOPPING, Part, hosts_of, parts, stretches

PLAN_FILE = "plan.json"
_PHASES = tuple(Phase)
RELIED_ON_BY = {
    Phase.STOP: _PHASES[_PHASES.index(Phase.STOP) + 1 : _PHASES.index(Phase.START)],
    Phase.START: _PHASES[_PHASES.index(Phase.START) + 1 :],
}
STOPPED = "stopped as asked; every step that was begun has ended"
GOES_ON = "the same command goes on from here"
PICKS_UP = "the same command picks them up and goes on from there"
INTERRUPTIONS = 5  # a step that is cut off this often in one run is not going to get through


@dataclass(frozen=True)
class Job:
    """A step as a host is to run it: `key` and `head` go into the journal."""

    todo: Todo
    key: str
    head: str

    def again(self) -> "Job":
        """The same job as its next attempt."""
        return replace(self, todo=Todo(self.todo.step, self.todo.attempt + 1))


def rest(jobs: tuple[Job, ...], key: str) -> tuple[Job, ...]:
    """What of JOBS is left when KEY did not take hold: it once more, and what stands behind it."""
    at = next(i for i, job in enumerate(jobs) if job.key == key)
    return (jobs[at].again(), *jobs[at + 1 :])


@dataclass(frozen=True)
class Told:
    """What a host tells while it works: started, finished (with code), halted (before the step `key`), alone (what did the
    steps was ended, a command of it goes on) or interrupted."""

    kind: str
    key: str = ""
    at: float = 0.0
    code: int = 0
    proved: bool = False
    log: str = ""


class Link(Protocol):
    """One host of a run, as remote/ gives it."""

    def change(self, run: str, jobs: tuple[Job, ...]) -> Iterator[Told]:
        """Start or attach to JOBS, in order, and tell what happens; ends after the last, the first failure, or a halt."""

    def halt(self, run: str) -> None:
        """Let RUN begin no further step on the host; the one that runs there ends by itself. For any thread, while
        `change` waits in another, and for no longer than this link lives. Raises Unreachable when the link is down."""

    def records(self) -> tuple[Record, ...]:
        """The host's journal, read now."""

    def record(self, lines: Iterable[str]) -> None:
        """Append journal LINES that are not there yet; synced when it returns."""

    def keep(self, run: str, name: str, text: str) -> None:
        """Keep TEXT as a file of RUN on the host; synced when it returns."""


@dataclass
class Run:
    """One execution of a plan on one deployment. `clock` gives seconds since 1970, `stopping` says whether to stop.

    before_stop   called with the hosts that are about to be stopped, while st2 still serves on them
    before_close  called when everything is verified and settled; until it returns the run stays open, so that a run
                  that is taken up calls it again
    """

    id: str
    plan: DeploymentPlan
    links: Mapping[str, Link]
    sink: Sink
    clock: Callable[[], float]
    by: str
    tool: str
    fence: int = 0
    stopping: Callable[[], bool] = lambda: False
    lost: Callable[[], bool] = lambda: False
    before_stop: Callable[[tuple[str, ...]], None] = lambda hosts: None
    before_close: Callable[[], None] = lambda: None
    journals: dict[str, tuple[Record, ...]] = field(default_factory=dict)
    answers: Mapping[str, str] = field(default_factory=dict)
    passed: set[tuple[str, str]] = field(default_factory=set)
    states_again: tuple[PhasePlan, ...] = ()
    at: PhasePlan | None = None

    @property
    def downtimes(self) -> tuple[Down, ...]:
        """How long st2 was down on each host, over all controllers that worked on this run."""
        return downtimes(self.journals, self.id)

    def halt(self) -> None:
        """Ask every host to begin no further step; waits for none of them, so that a signal handler may call it.

        Whoever calls it has made `stopping` true before."""
        for name, link in self.links.items():
            threading.Thread(target=self._halt, args=(name, link), daemon=True).start()

    def _halt(self, name: str, link: Link) -> None:
        try:
            link.halt(self.id)
        except StormliftError as error:
            self._tell("halt-unheard", host=name, title=error.message.removeprefix(f"{name}: "))

    def execute(self) -> None:
        """Run every phase; raises StepFailed at the first step that failed, with the log's last lines, and Interrupted
        when it was to stop."""
        self._stop_if_asked("stopped as asked, before its first step")
        self._read_journals()
        self._copy()
        self._open()
        for stretch in stretches(self.plan.phases):
            if going_down := self._going_down(stretch[0]):
                self.before_stop(going_down)
            for phases in (stretch,) if self._undoubted(stretch) else [(phase,) for phase in stretch]:
                self._stretch(phases)
        if self.lost():
            raise taken_over(self.plan.name)
        self.before_close()
        self._close()

    def _tell(self, kind: str, **values: Any) -> None:
        self.sink(Event(kind, self.clock(), deployment=self.plan.name, **values))

    def _read_journals(self) -> None:
        with ThreadPoolExecutor(max(1, len(self.links))) as pool:
            self.journals = dict(
                zip(self.links, pool.map(lambda link: link.records(), self.links.values()), strict=True)
            )

    def _line(self, event: str, **values: Any) -> str:
        base = {
            "v": journal.VERSION,
            "run": self.id,
            "event": event,
            "at": int(self.clock()),
            "deployment": self.plan.name,
        }
        return canonical({**base, "by": self.by, "tool": self.tool, "fence": self.fence, **values})

    def _everywhere(self, lines: list[str]) -> None:
        with ThreadPoolExecutor(max(1, len(self.links))) as pool:
            list(pool.map(lambda link: link.record(lines), self.links.values()))

    def _open(self) -> None:
        for name, link in self.links.items():
            if any(r.run == self.id and r.event == "opened" for r in self.journals[name]):
                continue
            before = self.plan.before.get(name)
            data = {
                "command": self.plan.command,
                "from": self.plan.origin,
                "to": self.plan.target,
                "before": before,
                "waived": [
                    {"key": each.key, "host": each.host, "reason": each.waived}
                    for each in self.plan.findings
                    if each.waived
                ],
            }
            link.keep(self.id, PLAN_FILE, canonical(self.plan))
            link.record([self._line("opened", host=name, digest=digest(self.plan), data=data)])
        if self.plan.abandons:
            # First of all: from here on the other run's stop and hold are not to be relied on.
            self._everywhere([self._line("abandoned", run=self.plan.abandons, data={"for": self.id})])

    def _close(self) -> None:
        self._everywhere([self._line("closed", data={"outcome": "done"})])

    def _undoubted(self, stretch: tuple[PhasePlan, ...]) -> bool:
        """True when nothing in STRETCH is a question for the operator, which comes up when everything before it is through."""
        pairs = [(phase, step, host) for phase in stretch for step in phase.steps for host in step.hosts]
        return not any(isinstance(self._decided(*each), str) for each in pairs)

    def _stretch(self, stretch: tuple[PhasePlan, ...]) -> None:
        passed_here: set[PhasePlan] = set()
        for _ in range(INTERRUPTIONS):
            # Anew after each interruption: what ran there may have been another controller's, and have gone further.
            left = tuple(phase for phase in stretch if phase not in passed_here and not self._through(phase))
            if not left:
                return
            self.states_again = tuple(phase for phase in left if self._finished(phase))
            self._begin(left[0])
            # A check speaks about now: after an interruption, or in a resumed run, all of the phase are asked again.
            self.passed.clear()
            if all(self._segment(part) for part in parts(left)):
                return
            passed_here |= {phase for phase in left if self._gone_through(phase)}
        raise StepFailed(
            f"{self.plan.name}: {left[0].name.value}: cut off {INTERRUPTIONS} times",
            "find out what ends it on the host, then the same command again",
        )

    def _begin(self, phase: PhasePlan) -> None:
        if phase == self.at:
            return
        self.at = phase
        where = {"hop": phase.hop, "ahead": phase.ahead}
        self._tell("phase-started", phase=phase.name.value, title=phase.title, data=where)

    def _gone_through(self, phase: PhasePlan) -> bool:
        return all(self._done(phase, step, host) for step in phase.steps for host in step.hosts)

    def _going_down(self, phase: PhasePlan) -> tuple[str, ...]:
        """The hosts that serve until PHASE; none when it is no stop, or when this stop has begun on any host.

        A later hop stops what is down already. What stops together is told by its key: a host may go through a stop of
        its own before the others, and does not serve for the first time then when they stop.
        """
        stops = [p for p in self.plan.phases if p.name in STOPPING and p.hop == self.plan.phases[0].hop]
        if phase not in stops:
            return ()
        keys = {key_of(p, step): step.hosts for p in stops for step in p.steps if step.kind is Kind.RUN}
        part = key_of(phase, phase.steps[0]).partition(":")[0]
        begun = {
            (record.step.partition(":")[0], record.host)
            for records in self.journals.values()
            for record in records
            if record.run == self.id and record.event == "started" and record.step in keys
        }
        if any(each == part for each, _ in begun):
            return ()
        stopped = {host for key, hosts in keys.items() if key.partition(":")[0] == part for host in hosts}
        return tuple(host for host in self.plan.hosts if host in stopped - {host for _, host in begun})

    def _through(self, phase: PhasePlan) -> bool:
        return self._finished(phase) and not self._stands(phase)

    def _stands(self, phase: PhasePlan) -> bool:
        """True when PHASE brought about a state that open phases of its leg rely on.

        Somebody may have undone it since (a reboot, a colleague), so a run that is taken up brings it about again.
        """
        if phase.name not in RELIED_ON_BY:
            return False
        relying = RELIED_ON_BY[phase.name]
        return any(p.leg == phase.leg and p.name in relying and not self._finished(p) for p in self.plan.phases)

    def _finished(self, phase: PhasePlan) -> bool:
        steps = [(step, host) for step in phase.steps for host in step.hosts]
        return all(self._status(phase, step, host).state == "done" for step, host in steps)

    def _status(self, phase: PhasePlan, step: Step, host: str) -> journal.StepStatus:
        return journal.status(self._known(step, host), self.id, key_of(phase, step))

    def _known(self, step: Step, host: str) -> tuple[Record, ...]:
        return journal.merged(self.journals) if step.scope is Scope.DEPLOYMENT else self.journals[host]

    def _segment(self, part: Part) -> bool:
        """Run PART on its hosts, all at once; False when a step was interrupted and its phase is to be taken again."""
        if self.lost():
            raise taken_over(self.plan.name)
        self._stop_if_asked()
        work = {host: jobs for host in hosts_of(step for _, step in part) if (jobs := self._jobs(part, host))}
        if not work:
            return True
        with ThreadPoolExecutor(len(work)) as pool:
            ends = list(pool.map(lambda item: self._work(part, *item), work.items()))
        errors = [end for end in ends if isinstance(end, StormliftError)]
        with suppress(*((Unreachable,) if errors else ())):  # a host that is away must not hide what went wrong
            self._read_journals()
            self._copy()
        if errors:
            raise self._worst(errors)
        return all(ends)

    def _stop_if_asked(self, said: str = STOPPED) -> None:
        if self.stopping():
            raise Interrupted(said, GOES_ON)

    def _worst(self, errors: list[StormliftError]) -> StormliftError:
        """The one of ERRORS that the operator must hear of first: what failed, then what is lost, then the stop."""
        lost = [error for error in errors if isinstance(error, LinkLost)]
        failed = [error for error in errors if error not in lost and not isinstance(error, Interrupted)]
        if lost and not failed and self.stopping():
            away = ", ".join(error.host for error in lost)
            return Interrupted(
                f"stopped as asked; no link to {away}: the steps sent there go on by themselves", PICKS_UP
            )
        return next(iter(failed or lost or errors))

    def _jobs(self, part: Part, host: str) -> tuple[Job, ...]:
        mine = [(phase, step) for phase, step in part if host in step.hosts]
        if all(self._done(phase, step, host) for phase, step in mine):
            return ()
        todos = [(phase, step, self._todo(phase, step, host)) for phase, step in mine]
        return tuple(
            Job(todo, key := key_of(phase, step), self._head(step, key, host)) for phase, step, todo in todos if todo
        )

    def _done(self, phase: PhasePlan, step: Step, host: str) -> bool:
        if step.kind is Kind.CHECK or phase in self.states_again:
            return (key_of(phase, step), host) in self.passed
        return self._status(phase, step, host).state == "done"

    def _decided(self, phase: PhasePlan, step: Step, host: str) -> Todo | str | None:
        return journal.decide(key_of(phase, step), step, self.id, self._known(step, host))

    def _todo(self, phase: PhasePlan, step: Step, host: str) -> Todo | None:
        key = key_of(phase, step)
        known = self._known(step, host)
        todo = self._decided(phase, step, host)
        if todo is None and phase in self.states_again:
            return Todo(step, journal.status(known, self.id, key).attempts + 1)
        if not isinstance(todo, str):
            return todo
        answer = self.answers.get(step.id)
        if answer == "again":
            return Todo(step, journal.status(known, self.id, key).attempts + 1, unended=True)
        if answer == "done":
            line = self._line("finished", step=key, host=host, scope=step.scope.value, data={"settled_by": self.by})
            for name in self.links if step.scope is Scope.DEPLOYMENT else (host,):
                self.links[name].record([line])
            self._read_journals()
            return None
        raise Undecided(
            f"{host}: {todo}",
            f"look at /var/lib/stormlift/{self.id}/ on {host}, then the same command with "
            f"--settle {step.id}=done or --settle {step.id}=again",
            host=host,
            step=key,
        )

    def _head(self, step: Step, key: str, host: str) -> str:
        """The start of the step's journal lines; the runner on the host adds event, time, attempt and code."""
        head = {
            "v": journal.VERSION,
            "run": self.id,
            "deployment": self.plan.name,
            "host": host,
            "scope": step.scope.value,
            "step": key,
            "digest": digest(step.argv),
            "by": self.by,
            "tool": self.tool,
            "fence": self.fence,
        }
        return canonical(head)[:-1]

    def _work(self, part: Part, host: str, jobs: tuple[Job, ...]) -> StormliftError | bool:
        """True when all JOBS are through, False when one was interrupted, the error when one failed."""
        titles = {job.key: job.todo.step.title for job in jobs}
        phases = {key_of(phase, step): phase for phase, step in part}
        phase = part[0][0]
        telling = {job.key for job in jobs if job.todo.step.tells}
        ended: set[str] = set()
        try:
            for told in self.links[host].change(self.id, jobs):
                phase = phases.get(told.key, phase)
                self._begin(phase)
                said = {"log": told.log.splitlines()} if told.kind == "finished" and told.key in telling else {}
                self._tell(
                    f"step-{told.kind}",
                    phase=phase.name.value,
                    host=host,
                    step=told.key,
                    title=titles.get(told.key, ""),
                    data={"code": told.code, "proved": told.proved, "host_time": told.at, **said},
                )
                if told.kind == "interrupted" or (told.kind == "halted" and not self.stopping()):
                    return False
                if told.kind == "halted":
                    return Interrupted(STOPPED, GOES_ON)
                if told.kind == "finished" and told.code != 0:
                    return self._failure(host, told, titles[told.key], jobs)
                if told.kind == "finished":
                    ended.add(told.key)
                    self.passed.add((told.key, host))
        except StormliftError as error:
            return error
        silent = [job for job in jobs if job.key not in ended]
        if silent:
            return StepFailed(
                f"{host}: {silent[0].todo.step.title}: the host did not tell how it ended",
                "",
                host=host,
                step=silent[0].key,
            )
        return True

    def _failure(self, host: str, told: Told, title: str, jobs: tuple[Job, ...]) -> StormliftError:
        if told.code == 77:
            return taken_over(host)
        step = next(job.todo.step for job in jobs if job.key == told.key)
        reasons = {
            75: "it ran, but did not take hold in time",
            76: "it ran, but its postcondition does not hold",
            124: f"it ran out of its {step.timeout} s",
            73: "the host's journal cannot be written (is the disk full?)",
        }
        said = reasons.get(told.code, f"exit code {told.code}")
        return StepFailed(f"{host}: {title}: {said}", "", host=host, step=told.key, log=told.log)

    def _copy(self) -> None:
        """Put the deployment's records onto every host of it, also those that a dead controller did not get to copy."""
        shared = [record for record in journal.merged(self.journals) if record.run == self.id]
        for name, link in self.links.items():
            have = {(r.run, r.event, r.step, r.attempt) for r in self.journals[name]}
            missing = [canonical(r) for r in shared if (r.run, r.event, r.step, r.attempt) not in have]
            if missing:
                link.record(missing)


def taken_over(name: str) -> Locked:
    """What a controller is told that slept while another one took its lock, on the host or deployment NAME."""
    return Locked(f"{name}: another controller took over", "look: invoke status, invoke locks.show")


def key_of(phase: PhasePlan, step: Step) -> str:
    """How the journal names STEP: by leg and id, 2.2.1:stop.units or 2.2.1@web1:stop.units."""
    return f"{phase.leg}:{step.id}"
