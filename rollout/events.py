"""Events: the only feed of what is shown, reported and returned as JSON."""

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Event:
    """Something that happened.

    kind  run-opened, run-resumed, phase-started, step-started, step-finished, step-interrupted, step-halted (begins no more),
          step-alone (its runner was ended), waiting, hook-started, hook-finished, link-lost, halt-unheard, deployment-finished
    at    seconds since 1970, by the controller's clock
    """

    kind: str
    at: float
    deployment: str = ""
    phase: str = ""
    host: str = ""
    step: str = ""
    title: str = ""
    data: dict[str, Any] = field(default_factory=dict)


class Sink(Protocol):
    """Takes events; a screen, a file, a collector."""

    def __call__(self, event: Event) -> None:
        """Take EVENT; may be called from several threads."""
