"""The cells of the matrix: plain data, made from the plan of the upgrade that is cut off."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

FAULTS = {
    "controller": "the controller is killed with KILL",
    "link": "the controller's SSH sessions on the host are killed",
    "command": "the step and its runner on the host are killed with KILL",
    "host": "the host loses power and boots again",
}
MOMENTS = ("before", "during", "after")
# Brought about again by a run that is taken up (docs/decisions/0006): they are states, not deeds.
STATES = ("stop", "start")


@dataclass(frozen=True)
class Point:
    """One step of the plan: its key in the journal, the hosts that run it, the one that the fault hits."""

    key: str
    phase: str
    kind: str
    hosts: tuple[str, ...]
    hit: str

    @property
    def once(self) -> bool:
        """Whether it may finish only once in a run."""
        return self.kind == "run" and self.phase not in STATES


@dataclass(frozen=True)
class Cell:
    """One fault at one moment of one step."""

    deployment: str
    point: Point
    fault: str
    moment: str

    @property
    def name(self) -> str:
        """Stable over runs, for the file of results and on the command line."""
        return f"{self.deployment}/{self.point.key}/{self.fault}/{self.moment}"


def points(deployment: dict[str, Any], prefer: str) -> tuple[Point, ...]:
    """The steps of a deployment of `invoke plan --json`, in order; the fault hits PREFER where that host runs the step."""
    found: dict[str, Point] = {}
    for phase in deployment["phases"]:
        for step in phase["steps"]:
            key = f"{phase['hop']}:{step['id']}"
            before = found[key].hosts if key in found else ()
            hosts = (*before, *(host for host in step["hosts"] if host not in before))
            hit = prefer if prefer in hosts else hosts[0]
            found[key] = Point(key, phase["name"], step["kind"], hosts, hit)
    return tuple(found.values())


def cells(deployment: str, all_points: Iterable[Point]) -> tuple[Cell, ...]:
    """Every cell of a deployment, step by step."""
    return tuple(
        Cell(deployment, point, fault, moment) for point in all_points for fault in FAULTS for moment in MOMENTS
    )
