"""Who carries a rollout out: runs deployments under their lock, waits, looks. When is decided in rollout/."""

import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from rollout import advice, codec, journal, pause, roll
from rollout.errors import HookFailed, Interrupted, StepFailed, StormliftError, Unreachable
from rollout.events import Event
from rollout.execute import Run
from rollout.gate import Sick, probes
from rollout.journal import Record
from rollout.model import Step
from rollout.plan import Plan
from rollout.roll import Outcome
from tasks.edge import VERSION, Desk
from tasks.hooks import Hooks

if TYPE_CHECKING:
    from remote.host import RemoteHost
    from tasks.work import Work

DONE = {"upgrade": "upgraded", "rollback": "rolled back"}
_SLICE_S = 0.2  # Ctrl-C ends a wait within this


class Crew:
    """The crew of one command, for rollout.roll; `works` by the names of their deployments."""

    def __init__(
        self,
        sitting: Desk,
        works: Mapping[str, "Work"],
        plan: Plan,
        hooks: Hooks,
        command: str,
        answers: Mapping[str, str],
    ) -> None:
        self._sitting = sitting
        self._works = works
        self._plan = plan
        self._command = command
        self._answers = answers
        self._hooks = hooks

    # --- what rollout.roll asks for ------------------------------------------------------------------------

    def hosts(self, name: str) -> tuple[str, ...]:
        """The hosts of the deployment NAME."""
        return self._works[name].plan.hosts

    def clock(self) -> float:
        """Seconds that only grow."""
        return time.monotonic()

    def nap(self, seconds: float) -> None:
        """Let SECONDS pass, or fewer when it is to stop."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and not self.stopping():
            time.sleep(min(left, _SLICE_S))

    def stopping(self) -> bool:
        """True when nothing new is to be begun."""
        return self._sitting.stopping

    def before_batch(self, number: int) -> Mapping[str, HookFailed]:
        """Run the hooks before batch NUMBER; gives the deployments that must not be begun."""
        return self._hooks.of_batch("before-batch", number, {})

    def after_batch(self, number: int, outcomes: Mapping[str, Outcome]) -> Mapping[str, HookFailed]:
        """Run the hooks after batch NUMBER; gives the deployments whose hook failed."""
        return self._hooks.of_batch("after-batch", number, outcomes)

    def waiting(self, reason: str, text: str, names: tuple[str, ...]) -> None:
        """Say that NAMES wait, or why they still do."""
        name = names[0] if len(names) == 1 else ""
        self._sitting.tell(
            Event("waiting", time.time(), name, title=text, data={"reason": reason, "deployments": list(names)})
        )

    def finished(self, outcome: Outcome) -> None:
        """Say how a deployment came out; the last one said counts."""
        self._sitting.tell(Event("deployment-finished", time.time(), outcome.name, data=codec.encode(outcome)))

    def look(self, name: str) -> Sick | None:
        """What is wrong with NAME now, changing nothing."""
        plan = self._works[name].plan
        checks = {host: [step for step in probes(plan) if host in step.hosts] for host in plan.hosts}
        with ThreadPoolExecutor(len(checks)) as pool:
            return next(filter(None, pool.map(lambda item: self._looked(*item), checks.items())), None)

    def _looked(self, host: str, checks: Sequence[Step]) -> Sick | None:
        for step in checks:
            try:
                self._sitting.fleet[host].probe("at-once", *step.argv[1:])
            except StormliftError as error:
                said = [line for line in getattr(error, "log", "").splitlines() if line.strip()]
                return Sick(host, step.id, step.title, said[-1] if said else error.message)
        return None

    def run(self, number: int, name: str) -> Outcome:
        """Upgrade NAME as part of batch NUMBER; an operator's error becomes its outcome, a bug stays one."""
        work = self._works[name]
        outcome = self._held_up(work) or self._carried_out(work, number)
        self.finished(outcome)
        return outcome

    # --- one deployment ------------------------------------------------------------------------------------

    def _held_up(self, work: "Work") -> Outcome | None:
        """Wait as long as the deployment is paused, without its lock; the outcome when it is not to be begun at all."""
        name, hosts = work.deployment.name, work.plan.hosts
        try:
            if self.stopping():
                raise Interrupted(roll.INTERRUPTED, "the same command goes on from here")
            # One that is taken up waits further on, and not at all when its st2 is down already.
            if self._command == "upgrade" and not work.resumed:
                self._while_paused(work)
        except Interrupted as error:
            stopped = Outcome(name, "not attempted", hosts, exit_code=error.exit_code)
            return replace(stopped, error=error.message, hint=error.hint)
        except StormliftError as error:
            return roll.failure(name, hosts, error, "")
        return None

    def _carried_out(self, work: "Work", number: int) -> Outcome:
        from remote.fleet import reached
        from remote.lock import DeploymentLock

        sitting, name = self._sitting, work.deployment.name
        links = reached(sitting.fleet, work.plan.hosts)
        run = Run(
            work.run,
            work.plan,
            links,
            sitting.tell,
            time.time,
            sitting.by,
            f"stormlift {VERSION}",
            answers=self._answers,
            stopping=self.stopping,
        )
        if self._command == "upgrade":
            run.before_stop = lambda hosts: self._before_stop(work, number, hosts)
            run.before_close = lambda: self._hooks.after_hosts(work, number)
        lock = DeploymentLock(
            name,
            links,
            sitting.me(work.run, work.plan.abandons),
            self._command,
            self._plan.hash,
            1 + max(each.fence for each in work.facts.values()),
            lambda text: self.waiting("lock", text, (name,)),
        )
        try:
            with lock, sitting.halting(run.halt):
                run.fence = lock.fence
                run.lost = lock.lost.is_set
                kind = "run-resumed" if work.resumed else "run-opened"
                sitting.tell(Event(kind, time.time(), name, data={"run": work.run}))
                run.execute()
        except StormliftError as error:
            return failed(error, work, run, self._command)
        done = DONE.get(self._command, "done")
        return Outcome(name, done, work.plan.hosts, run=work.run).down(run.downtimes)

    def _while_paused(self, work: "Work") -> None:
        """Wait until nobody pauses the deployment. Raises Interrupted, Unreachable."""
        name = work.deployment.name
        links = [self._sitting.fleet[host] for host in work.plan.hosts]

        def ask() -> Record | None:
            with ThreadPoolExecutor(len(links)) as pool:
                return pause.of_any(pool.map(paused, links))

        pause.wait(name, ask, lambda text: self.waiting("paused", text, (name,)), self.clock, self.nap, self.stopping)

    def _before_stop(self, work: "Work", number: int, hosts: tuple[str, ...]) -> None:
        """The last moment in which st2 serves on HOSTS. The lock is kept: a run is open, and its plan must stay true."""
        self._while_paused(work)
        for host in hosts:
            if self.stopping():
                raise Interrupted(
                    f"{work.deployment.name}: stopped as asked; st2 there was not stopped",
                    "the same command goes on from here",
                )
            self._hooks.before_host(work, number, host)


def paused(link: "RemoteHost") -> Record | None:
    """The pause that holds on a host now. Raises Unreachable, StepFailed."""
    try:
        return pause.newest(journal.parse(link.probe("paused")))
    except codec.Malformed as error:
        raise StepFailed(f"{link.name}: {error}", f"look at its journal on {link.name}", host=link.name) from None


def failed(error: StormliftError, work: "Work", run: Run, command: str) -> Outcome:
    """The outcome of an error: what state it leaves, and the exact next command."""
    name = work.deployment.name
    outcome = roll.failure(name, work.plan.hosts, error, work.run)
    if run.at is None:
        return outcome
    said = f"{error.message}\n{outcome.log}"
    hint = error.hint or advice.next_command(command, name, run.at.name, said, advice.flags(work.plan))
    code = StepFailed.exit_code if isinstance(error, Unreachable) else outcome.exit_code  # something was changed by now
    leaves = "" if isinstance(error, HookFailed) else f"\n  leaves: {advice.leaves(work.plan, run.at)}"
    return replace(outcome, exit_code=code, hint=hint, error=f"{outcome.error}{leaves}").down(run.downtimes)
