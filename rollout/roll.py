"""Roll deployments in batches and stop at the budget. Pure: what runs one deployment, looks or waits is passed in."""

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Protocol

from rollout.batches import Rollout
from rollout.downtime import Down, longest
from rollout.errors import HookFailed, Interrupted, StepFailed, StormliftError
from rollout.gate import Gate, Sick

INTERRUPTED = "stopped as asked"


@dataclass(frozen=True)
class Outcome:
    """How a deployment came out: upgraded, unchanged, failed, not attempted, or skipped.

    `downtimes` is how long st2 was down on each host; `downtime_s` and `backup_s` are those of the host where it was longest.
    """

    name: str
    outcome: str
    hosts: tuple[str, ...]
    failed_step: str = ""
    failed_host: str = ""
    error: str = ""
    hint: str = ""
    log: str = ""
    exit_code: int = 0
    downtime_s: int = 0
    backup_s: int = 0
    downtimes: tuple[Down, ...] = ()
    run: str = ""

    def down(self, downtimes: tuple[Down, ...]) -> "Outcome":
        """The same outcome, with the DOWNTIMES that were measured."""
        worst = longest(downtimes)
        return replace(self, downtime_s=worst.downtime_s, backup_s=worst.backup_s, downtimes=downtimes)


class Crew(Protocol):
    """Who carries a rollout out; when is decided here."""

    def hosts(self, name: str) -> tuple[str, ...]:
        """The hosts of the deployment NAME."""

    def run(self, number: int, name: str) -> Outcome:
        """Upgrade NAME as part of batch NUMBER; what an operator can meet is in the outcome."""

    def before_batch(self, number: int) -> Mapping[str, HookFailed]:
        """Run the hooks before batch NUMBER; gives the deployments that must not be begun."""

    def after_batch(self, number: int, outcomes: Mapping[str, Outcome]) -> Mapping[str, HookFailed]:
        """Run the hooks after batch NUMBER; gives the deployments whose hook failed."""

    def look(self, name: str) -> Sick | None:
        """What is wrong with NAME now, changing nothing."""

    def waiting(self, reason: str, text: str, names: tuple[str, ...]) -> None:
        """Say that NAMES wait, or why they still do."""

    def finished(self, outcome: Outcome) -> None:
        """Say how a deployment came out; the last one said counts."""

    def clock(self) -> float:
        """Seconds that only grow."""

    def nap(self, seconds: float) -> None:
        """Let SECONDS pass, or fewer when it is to stop."""

    def stopping(self) -> bool:
        """True when nothing new is to be begun."""


def roll(rollout: Rollout, crew: Crew) -> list[Outcome]:
    """Run the batches of ROLLOUT, each behind a wait and the health gate of the one before, until too much failed.

    What was not begun is not attempted, and says why.
    """
    done: dict[str, Outcome] = {}
    why = ""
    for number, names in enumerate(rollout.batches, 1):
        if number > 1 and not _stopped(rollout, done, crew):
            done |= _between(rollout, number, done, crew)
        if why := _stopped(rollout, done, crew):
            break
        done |= _batch(number, names, crew)
    rest = [name for name in rollout.names if name not in done]
    return [*done.values(), *(_not_attempted(name, why, crew) for name in rest)]


def _stopped(rollout: Rollout, done: Mapping[str, Outcome], crew: Crew) -> str:
    if crew.stopping() or any(each.exit_code == Interrupted.exit_code for each in done.values()):
        return INTERRUPTED
    return rollout.stopped_by([name for name, each in done.items() if each.outcome == "failed"])


def _not_attempted(name: str, why: str, crew: Crew) -> Outcome:
    if why != INTERRUPTED:
        return Outcome(name, "not attempted", crew.hosts(name), error=why)
    hint, code = "the same command goes on from here", Interrupted.exit_code
    return Outcome(name, "not attempted", crew.hosts(name), error=why, hint=hint, exit_code=code)


def _batch(number: int, names: tuple[str, ...], crew: Crew) -> dict[str, Outcome]:
    """The outcomes of one batch, its hooks included; the one afterwards runs however the batch went."""
    refused = crew.before_batch(number)
    done = {name: failure(name, crew.hosts(name), refused[name], "") for name in names if name in refused}
    for each in done.values():
        crew.finished(each)
    if begun := [name for name in names if name not in refused]:
        with ThreadPoolExecutor(len(begun)) as pool:
            done |= dict(zip(begun, pool.map(lambda name: crew.run(number, name), begun), strict=True))
    for name, error in crew.after_batch(number, done).items():
        if done[name].outcome == "upgraded":
            done[name] = _spoiled(done[name], error)
            crew.finished(done[name])
    return {name: done[name] for name in names}


def _spoiled(outcome: Outcome, error: StormliftError) -> Outcome:
    """OUTCOME as a failure: ERROR came after st2 was upgraded."""
    failed = failure(outcome.name, outcome.hosts, error, outcome.run)
    return failed.down(outcome.downtimes)


def _between(rollout: Rollout, number: int, done: Mapping[str, Outcome], crew: Crew) -> dict[str, Outcome]:
    """Wait before batch NUMBER, then ask for the health of the one before it; gives the outcomes that this changes."""
    following = ", ".join(rollout.batches[number - 1])
    if rollout.wait_between_s:
        text = f"waiting {rollout.wait_between_s} s before batch {number} of {len(rollout.batches)}: {following}"
        crew.waiting("between", text, rollout.batches[number - 1])
        end = crew.clock() + rollout.wait_between_s
        while (left := end - crew.clock()) > 0 and not crew.stopping():
            crew.nap(min(left, 1.0))
    asked = tuple(name for name in rollout.batches[number - 2] if done[name].outcome == "upgraded")
    if not asked or not rollout.gate_deadline_s:
        return {}
    text = f"waiting until healthy for {rollout.soak_s} s, at most {rollout.gate_deadline_s} s: {', '.join(asked)}"
    crew.waiting("health", text, asked)
    gate = Gate(
        rollout.soak_s,
        rollout.gate_deadline_s,
        crew.look,
        crew.clock,
        crew.nap,
        crew.stopping,
        lambda name, words: crew.waiting("health", f"not healthy: {words}", (name,)),
    )
    return {name: _unhealthy(done[name], sick, rollout, crew) for name, sick in gate.refused(asked).items()}


def _unhealthy(outcome: Outcome, sick: Sick | None, rollout: Rollout, crew: Crew) -> Outcome:
    words = str(sick) if sick else f"{outcome.name}: it was well when looked at, but not for {rollout.soak_s} s"
    error = StepFailed(
        f"health gate: {words}, after {rollout.gate_deadline_s} s",
        f"it is upgraded and was verified before: invoke services.status --hosts {outcome.name}; once it is mended the "
        "same command goes on with the others",
        host=sick.host if sick else "",
        step=sick.step if sick else "",
        log=sick.words if sick else "",
    )
    failed = _spoiled(outcome, error)
    crew.finished(failed)
    return failed


def failure(name: str, hosts: tuple[str, ...], error: StormliftError, run: str) -> Outcome:
    """The outcome of a deployment that ERROR stopped."""
    return Outcome(
        name,
        "failed",
        hosts,
        failed_step=getattr(error, "step", ""),
        failed_host=getattr(error, "host", ""),
        error="\n  leaves: ".join(filter(None, [error.message, getattr(error, "leaves", "")])),
        hint=error.hint,
        log=getattr(error, "log", ""),
        exit_code=error.exit_code,
        run=run,
    )
