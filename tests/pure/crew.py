"""A crew in memory for rollout.roll: deployments that fail or are sick when told to, a clock, a notebook."""

import threading
from collections.abc import Callable, Mapping

from rollout.downtime import Down
from rollout.errors import HookFailed
from rollout.gate import Sick
from rollout.roll import Outcome


class Story:
    """Deployments called FAILING fail. `begun` is who was begun, in order; time passes only by napping."""

    def __init__(self, *failing: str, code: int = 3) -> None:
        self.failing = failing
        self.code = code
        self.now = 0.0
        self.sick: dict[str, Callable[[float], Sick | None]] = {}
        self.stop_when: Callable[[], bool] = lambda: False
        self.begun: list[str] = []
        self.began_at: dict[str, float] = {}
        self.looks: list[tuple[float, str]] = []
        self.said: list[tuple[str, str, tuple[str, ...]]] = []
        self.came_out: dict[str, Outcome] = {}
        self._lock = threading.Lock()

    def hosts(self, name: str) -> tuple[str, ...]:
        """One host each."""
        return (f"{name}-1",)

    def run(self, number: int, name: str) -> Outcome:
        """Run one deployment."""
        with self._lock:
            self.begun.append(name)
            self.began_at[name] = self.now
        failed = name in self.failing
        return Outcome(
            name,
            "failed" if failed else "upgraded",
            self.hosts(name),
            exit_code=self.code if failed else 0,
            run="r1",
        ).down((Down(f"{name}-1", 7, 2),))

    def before_batch(self, number: int) -> Mapping[str, HookFailed]:
        """No hook fails."""
        return {}

    def after_batch(self, number: int, outcomes: Mapping[str, Outcome]) -> Mapping[str, HookFailed]:
        """No hook fails."""
        return {}

    def look(self, name: str) -> Sick | None:
        """Look at NAME."""
        with self._lock:
            self.looks.append((self.now, name))
        return self.sick[name](self.now) if name in self.sick else None

    def waiting(self, reason: str, text: str, names: tuple[str, ...]) -> None:
        """Write it down."""
        self.said.append((reason, text, names))

    def finished(self, outcome: Outcome) -> None:
        """Write it down; what `run` gives is not said here."""
        self.came_out[outcome.name] = outcome

    def clock(self) -> float:
        """The time now."""
        return self.now

    def nap(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def stopping(self) -> bool:
        """Whether Ctrl-C was pressed."""
        return self.stop_when()
