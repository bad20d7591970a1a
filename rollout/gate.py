"""The health gate between batches: what was just upgraded must stay healthy for a while, within a deadline. Only looks."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from rollout.model import DeploymentPlan, Kind, Phase, Step

LOOK_EVERY_S = 2.0
_ON_HOST = "stormlift-host"
_ACTS = "core-local"  # runs an action: an execution more with every look


@dataclass(frozen=True)
class Sick:
    """What a look found wrong: on which host, which check, and its last words."""

    host: str
    step: str
    title: str
    words: str

    def __str__(self) -> str:
        return f"{self.host}: {self.title}: {self.words}"


def probes(plan: DeploymentPlan) -> tuple[Step, ...]:
    """The checks of PLAN's last verify phase that only look."""
    last = next((phase for phase in reversed(plan.phases) if phase.name is Phase.VERIFY), None)
    return tuple(
        step
        for step in (last.steps if last else ())
        if step.kind is Kind.CHECK and step.argv[0] == _ON_HOST and step.argv[1] != _ACTS
    )


@dataclass(frozen=True)
class Gate:
    """Healthy means: every look finds a deployment well for `soak_s` without a break, and that within `deadline_s`.

    `look` gives what is wrong with a deployment now, or None; `tell` is told when that changes.
    """

    soak_s: int
    deadline_s: int
    look: Callable[[str], Sick | None]
    clock: Callable[[], float]
    nap: Callable[[float], None]
    stopping: Callable[[], bool]
    tell: Callable[[str, str], None]

    def refused(self, names: Iterable[str]) -> dict[str, Sick | None]:
        """Those of NAMES that did not get through, with what a look last found wrong; empty when it was interrupted.

        All are looked at until all are through: the first must still be well when the last one is.
        """
        asked, end = list(names), self.clock() + self.deadline_s
        since: dict[str, float] = {}
        words: dict[str, Sick] = {}
        while not self.stopping():
            found = self._looked(asked)
            now = self.clock()
            for name, sick in found.items():
                if sick is None:
                    since.setdefault(name, now)
                    continue
                since.pop(name, None)
                if words.get(name) != sick:
                    self.tell(name, str(sick))
                words[name] = sick
            # Who was to be well until after the deadline is late, although it is well when looked at behind it.
            left = [name for name in asked if name not in since or min(now, end) - since[name] < self.soak_s]
            if now > end:
                return {name: words.get(name) for name in left}
            if not left:
                break
            self.nap(LOOK_EVERY_S)
        return {}

    def _looked(self, names: list[str]) -> dict[str, Sick | None]:
        with ThreadPoolExecutor(len(names)) as pool:
            return dict(zip(names, pool.map(self.look, names), strict=True))
