"""What steps do to hosts in memory: every effect is none, half or whole, and every run of a command is remembered."""

import threading
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

from rollout.model import Kind, Scope, Step

NONE, HALF, WHOLE = "none", "half", "whole"
DONE, NOT_BEGUN, PARTIAL = 0, 1, 2
PATIENCE_S = 10.0
_LOOK_EVERY_S = 0.001


class Clock:
    """Seconds since 1970 that pass only when somebody works."""

    def __init__(self, start: float = 1_490_000_000.0) -> None:
        self._now = start
        self._lock = threading.Lock()

    def __call__(self) -> float:
        """The time now."""
        return self._now

    def sleep(self, seconds: float) -> None:
        """Let SECONDS pass."""
        with self._lock:
            self._now += seconds


@dataclass(frozen=True)
class Ran:
    """One command that ran: `part` is do, repair or prove."""

    host: str
    key: str
    attempt: int
    part: str = "do"


class World:
    """The state that steps change. Deployment-scope effects lie in one place, as one database does.

    Tests say beforehand what goes wrong: `fail`, `unsettle`, `deny`; and how long a step takes: `seconds`.
    """

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.ran: list[Ran] = []
        self.effects: dict[tuple[str, str], str] = defaultdict(lambda: NONE)
        self.seconds: dict[str, float] = {}
        self._codes: dict[tuple[str, str], list[int]] = defaultdict(list)
        self._unsettled: dict[tuple[str, str], int] = defaultdict(int)
        self._denied: set[tuple[str, str]] = set()
        self._waits: dict[tuple[str, str], Callable[[], bool]] = {}

    # --- said by tests -----------------------------------------------------------------------------------

    def fail(self, host: str, step: str, *codes: int) -> None:
        """The next commands of STEP on HOST end with CODES, one after the other, half of their work done."""
        self._codes[host, step] += codes

    def unsettle(self, host: str, step: str, issues: int) -> None:
        """STEP on HOST does not take hold for the next ISSUES commands."""
        self._unsettled[host, step] = issues

    def deny(self, host: str, step: str) -> None:
        """The postcondition of STEP on HOST never holds, whatever its command says."""
        self._denied.add((host, step))

    def wait_for(self, host: str, step: str, until: Callable[[], bool]) -> None:
        """The command of STEP on HOST ends only after UNTIL holds (whatever else runs at the same time)."""
        self._waits[host, step] = until

    # --- asked by the machines ---------------------------------------------------------------------------

    def begin(self, host: str, step: Step, key: str, head: str) -> None:
        """The step is journalled as started."""

    def reboot(self, host: str) -> None:
        """HOST lost its power, and is back: what steps did is on its disk."""

    def halve(self, host: str, step: Step, key: str) -> None:
        """The command is in the middle of its work."""
        if step.kind is not Kind.CHECK:
            self.effects[self._place(host, step), key] = HALF

    def act(self, host: str, step: Step, key: str, attempt: int) -> int:
        """The command of STEP runs to its end; gives its exit code."""
        self._wait(host, step)
        self.ran.append(Ran(host, key, attempt))
        self.clock.sleep(self.seconds.get(step.id, 1.0))
        if codes := self._codes[host, step.id]:
            code = codes.pop(0)
            if code != 0:
                self.halve(host, step, key)
                return code
        if step.kind is not Kind.CHECK:
            self.effects[self._place(host, step), key] = WHOLE
        return 0

    def repair(self, host: str, step: Step, key: str, attempt: int) -> None:
        """The repair of STEP clears away what a cut-off command left."""
        self.ran.append(Ran(host, key, attempt, "repair"))
        self.effects[self._place(host, step), key] = NONE

    def settles(self, host: str, step: Step) -> bool:
        """Whether STEP takes hold within the tries of one issue; waiting for it takes its time."""
        assert step.settle is not None
        if self._unsettled[host, step.id]:
            self._unsettled[host, step.id] -= 1
            self.clock.sleep(step.settle.every * step.settle.tries)
            return False
        return True

    def proves(self, host: str, step: Step, key: str, attempt: int) -> int:
        """What the postcondition of STEP says: 0 done, 1 not begun, 2 partial."""
        self.ran.append(Ran(host, key, attempt, "prove"))
        if (host, step.id) in self._denied:
            return PARTIAL
        return {NONE: NOT_BEGUN, HALF: PARTIAL, WHOLE: DONE}[self.effects[self._place(host, step), key]]

    # --- read by tests -----------------------------------------------------------------------------------

    def did(self, step: str, part: str = "do") -> list[str]:
        """The hosts where PART of STEP ran, in order, once for every time."""
        return [each.host for each in list(self.ran) if each.key.endswith(f":{step}") and each.part == part]

    def _wait(self, host: str, step: Step) -> None:
        end = time.monotonic() + PATIENCE_S
        while (until := self._waits.get((host, step.id))) and not until():
            assert time.monotonic() < end, f"{host}: {step.id} waits for what never comes"
            time.sleep(_LOOK_EVERY_S)

    def _place(self, host: str, step: Step) -> str:
        return "" if step.scope is Scope.DEPLOYMENT else host
