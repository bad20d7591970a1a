"""Hooks: commands of the operator's own, run on this machine, each told by one JSON object on its standard input."""

import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from rollout.errors import HookFailed, PlanRefused, UsageError
from rollout.events import Event
from rollout.hooks import Occasion, due
from rollout.model import Hook
from rollout.plan import Plan
from rollout.roll import Outcome
from tasks.edge import ROOT, Desk

if TYPE_CHECKING:
    from tasks.work import Work

_TERM_S = 3.0  # from TERM to KILL
_MOST_BYTES = 64 << 10  # of what a hook says, its end


class Hooks:
    """The hooks of one command; `works` by the names of their deployments. What they say is shown, masked."""

    def __init__(self, sitting: Desk, works: Mapping[str, "Work"], plan: Plan, command: str) -> None:
        self._sitting = sitting
        self._works = works
        self._rollout = plan.rollout
        self._command = command
        self._run = next(iter(works.values())).run

    def before_run(self) -> None:
        """Run the hooks before the run, once for each inventory file. Raises PlanRefused: nothing was changed."""
        reached: list[str] = []
        for hook in due(self._rollout.hooks, "before-run", self._works):
            reached.append(hook.inventory)
            if error := self._ran(hook, hook.deployments):
                idle = {name: Outcome(name, "not attempted", work.plan.hosts) for name, work in self._works.items()}
                self.after_run(idle, tuple(reached))
                said = error.log.strip().splitlines()[-1:]
                raise PlanRefused(": ".join([error.message, *said]), f"{error.leaves}; {error.hint}")

    def after_run(self, outcomes: Mapping[str, Outcome], of: tuple[str, ...] = ()) -> list[HookFailed]:
        """Run the hooks after the run, once for each inventory file, or for those OF a name; gives what failed."""
        wanted = due(self._rollout.hooks, "after-run", self._works)
        tried = [self._ran(each, each.deployments, outcomes) for each in wanted if not of or each.inventory in of]
        return [error for error in tried if error]

    def of_batch(self, point: str, number: int, outcomes: Mapping[str, Outcome]) -> dict[str, HookFailed]:
        """Run the hooks before or after batch NUMBER; gives the deployments whose hook failed."""
        found: dict[str, HookFailed] = {}
        batch = self._rollout.batches[number - 1]
        for hook in due(self._rollout.hooks, point, batch):
            names = tuple(name for name in batch if name in hook.deployments)
            if error := self._ran(hook, names, outcomes, number):
                found |= dict.fromkeys(names, error)
        return found

    def before_host(self, work: "Work", number: int, host: str) -> None:
        """Run the hooks before HOST is stopped. Raises HookFailed."""
        for hook in due(self._rollout.hooks, "before-host", (work.deployment.name,)):
            if error := self._ran(hook, (work.deployment.name,), {}, number, host):
                raise error

    def after_hosts(self, work: "Work", number: int) -> None:
        """Give the hosts of WORK back, each one of them; then raise HookFailed for the first where that failed."""
        name, hosts = work.deployment.name, work.plan.hosts
        done = {name: Outcome(name, "upgraded", hosts, run=work.run)}
        wanted = due(self._rollout.hooks, "after-host", (name,))
        tried = [self._ran(hook, (name,), done, number, host) for hook in wanted for host in hosts]
        if errors := [error for error in tried if error]:
            raise errors[0]

    def _ran(
        self,
        hook: Hook,
        names: tuple[str, ...],
        outcomes: Mapping[str, Outcome] | None = None,
        number: int = 0,
        host: str = "",
    ) -> HookFailed | None:
        works = [self._works[name] for name in names]
        occasion = Occasion(
            hook=hook,
            run=works[0].run if host else self._run,
            command=self._command,
            plans=tuple(work.plan for work in works),
            batch=number,
            batches=len(self._rollout.batches),
            host=host,
            address=next((each.address for each in works[0].deployment.hosts if each.name == host), ""),
            outcomes=outcomes or {},
        )
        event = Event("hook-started", time.time(), names[0] if host else "", host=host, title=occasion.title)
        self._sitting.tell(event)
        error: HookFailed | None = None
        try:
            log = self._sitting.mask(run(hook, occasion.message(), ROOT))
        except HookFailed as failure:
            log = self._sitting.mask(failure.log)
            error = occasion.explained(failure, log)
        data = {"log": log.splitlines(), "error": error.message if error else ""}
        self._sitting.tell(replace(event, kind="hook-finished", at=time.time(), data=data))
        return error


def check(hooks: Iterable[Hook], root: Path) -> None:
    """Raise UsageError when the program of a hook is not there, before anything begins."""
    for hook in hooks:
        name = hook.argv[0]
        if not shutil.which(str(root / name) if "/" in name else name):
            raise UsageError(
                f"hook {hook.point} of {hook.inventory}: there is no program {name}",
                f"check hooks.{hook.point} of {hook.inventory}.yml; a path counts from {root}",
            )


def run(hook: Hook, message: Mapping[str, object], root: Path) -> str:
    """Run HOOK in ROOT with MESSAGE on its standard input; gives what it said.

    Raises HookFailed when it cannot be started, ends with another code than 0, or runs out of its time: then all of its
    process group is ended.
    """
    with tempfile.TemporaryFile() as told, tempfile.TemporaryFile() as said:
        told.write(json.dumps(message).encode() + b"\n")
        told.seek(0)
        try:
            # A session of its own: Ctrl-C at the terminal is for stormlift, which lets a hook finish.
            process = subprocess.Popen(
                hook.argv, stdin=told, stdout=said, stderr=subprocess.STDOUT, cwd=root, start_new_session=True
            )
        except OSError as error:
            raise HookFailed(f"cannot be run: {error.strerror}") from None
        try:
            code = process.wait(hook.timeout)
        except subprocess.TimeoutExpired:
            left = "" if _end(process) else f"; it may not be ended from here and goes on as process {process.pid}"
            raise HookFailed(f"ran out of its {hook.timeout} s{left}", log=_end_of(said)) from None
        if code != 0:
            raise HookFailed(f"exit code {code}" if code > 0 else f"killed by signal {-code}", log=_end_of(said))
        return _end_of(said)


def _end(process: "subprocess.Popen[bytes]") -> bool:
    """TERM, then KILL, for the hook and everything that it started in its group; False when it lives on."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError, PermissionError):  # it may be root's by now: sudo
            os.killpg(process.pid, number)
        with suppress(subprocess.TimeoutExpired):
            process.wait(_TERM_S)
    return process.poll() is not None


def _end_of(file: IO[bytes]) -> str:
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - _MOST_BYTES))
    text = file.read().decode("utf-8", "replace")
    return "".join(each if each.isprintable() or each in "\n\t" else "?" for each in text)
