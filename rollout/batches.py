"""How deployments roll, as data: the batches by name, the canary, the budget, the waits, and when no further batch opens."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rollout.errors import UsageError
from rollout.model import Hook


@dataclass(frozen=True)
class Pace:
    """How fast to go, as the operator typed it; no health is asked for when `gate_deadline_s` is 0."""

    batch: str = "1"
    max_failures: int = 0
    wait_between_s: int = 0
    soak_s: int = 10
    gate_deadline_s: int = 120

    def check(self) -> None:
        """Raise UsageError when this is no pace, whoever is to be upgraded."""
        sizes(1, self.batch)
        if 0 < self.gate_deadline_s <= self.soak_s:
            raise UsageError(
                f"--gate-deadline {self.gate_deadline_s} leaves no time to be healthy for --soak {self.soak_s}",
                "give a longer --gate-deadline, or --gate-deadline 0 to ask for no health",
            )


UNGATED = Pace(soak_s=0, gate_deadline_s=0)


@dataclass(frozen=True)
class Example:
    """Deployments that fail, and the ones that are therefore no longer begun."""

    failing: tuple[str, ...]
    not_begun: tuple[str, ...]


@dataclass(frozen=True)
class Rollout:
    """Which deployments are upgraded together and what must hold before the next ones are.

    canary        the first batch, when another one follows: a failure in it stops the rollout whatever the budget
    max_failures  how many deployments may fail, over the whole run, without stopping it
    hooks         the operator's own commands, each with the deployments that it is for
    """

    batches: tuple[tuple[str, ...], ...] = ()
    canary: tuple[str, ...] = ()
    max_failures: int = 0
    wait_between_s: int = 0
    soak_s: int = 0
    gate_deadline_s: int = 0
    hooks: tuple[Hook, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """Every deployment, in order."""
        return tuple(name for batch in self.batches for name in batch)

    def stopped_by(self, failed: Collection[str]) -> str:
        """Why no further batch is begun once the deployments FAILED have failed; "" when the next one is."""
        if lost := [name for name in self.canary if name in failed]:
            return f"the canary failed ({', '.join(lost)})"
        if len(failed) > self.max_failures:
            many = f"{len(failed)} deployments" if len(failed) > 1 else "a deployment"
            return f"{many} failed ({', '.join(failed)}), --max-failures is {self.max_failures}"
        return ""

    def example(self) -> Example | None:
        """The earliest failures behind the canary that stop the rollout; None when the last batch is begun whoever fails."""
        failing: list[str] = []
        for number, name in ((n, name) for n, batch in enumerate(self.batches) for name in batch):
            if name in self.canary:
                continue
            failing.append(name)
            rest = tuple(later for names in self.batches[number + 1 :] for later in names)
            if rest and self.stopped_by(failing):
                return Example(tuple(failing), rest)
        return None


def rollout(names: Sequence[str], pace: Pace, hooks: Iterable[Hook] = ()) -> Rollout:
    """Roll NAMES at PACE. Raises UsageError when the batches cannot be understood."""
    made: list[tuple[str, ...]] = []
    for size in sizes(len(names), pace.batch):
        at = sum(map(len, made))
        made.append(tuple(names[at : at + size]))
    return Rollout(
        batches=tuple(made),
        canary=made[0] if len(made) > 1 else (),
        max_failures=pace.max_failures,
        wait_between_s=pace.wait_between_s,
        soak_s=pace.soak_s,
        gate_deadline_s=pace.gate_deadline_s,
        hooks=tuple(hooks),
    )


def sizes(count: int, spec: str) -> list[int]:
    """Sizes of the batches for COUNT deployments: "1", "25%", or a ramp "1,25%,100%" whose last item repeats."""
    items = [_size(word.strip(), count) for word in spec.split(",")]
    found: list[int] = []
    while sum(found) < count:
        size = items[min(len(found), len(items) - 1)]
        found.append(min(size, count - sum(found)))
    return found


def _size(word: str, count: int) -> int:
    given = number(word.removesuffix("%"))
    if not given or (word.endswith("%") and given > 100):
        raise UsageError(
            f"--batch {word!r} is no batch", "expected a number, a percentage, or a ramp: 1 or 25% or 1,25%,100%"
        )
    return max(1, count * given // 100) if word.endswith("%") else given


def number(text: str) -> int | None:
    """TEXT as a whole number from 0 on, of nine digits at the most; None when it is none."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None
