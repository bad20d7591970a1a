"""The way between two releases: which stops are needed, and what each hop asks. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from rollout import catalogue
from rollout.errors import Downgrade, PlanRefused
from rollout.model import Migration, Step
from rollout.versions import order


@dataclass(frozen=True)
class Hop:
    """One full upgrade on the way; `steps` are those of the migrations that it crosses, in version order."""

    origin: str
    target: str
    steps: tuple[Step, ...]
    why: str


def due(migrations: Iterable[Migration], origin: str, target: str) -> tuple[Step, ...]:
    """The steps of every release after ORIGIN, up to TARGET; skipped releases included, in version order."""
    crossed = [m for m in migrations if order(origin) < order(m.release) <= order(target)]
    return tuple(step for m in sorted(crossed, key=lambda m: order(m.release)) for step in m.steps)


def find(origin: str, target: str, migrations: Iterable[Migration]) -> tuple[Hop, ...]:
    """The hops from ORIGIN to TARGET, none when they are equal.

    A stop is made where the packages of the target do not carry a step that is due, or carry a copy that
    fails. Raises Downgrade for a target that is older, PlanRefused where no release on the way can run a step.
    """
    all_of_them = tuple(migrations)
    if order(target) < order(origin):
        raise Downgrade(f"{target} is older than {origin}", "stormlift goes forward; name a later release with --to")
    hops: list[Hop] = []
    at = origin
    while at != target:
        stop = _furthest(at, target, all_of_them)
        why = f"{target} is the target" if stop == target else _blocked(at, target, all_of_them)
        hops.append(Hop(at, stop, due(all_of_them, at, stop), why))
        at = stop
    return tuple(hops)


def _furthest(origin: str, target: str, migrations: tuple[Migration, ...]) -> str:
    for stop in reversed(catalogue.between(origin, target)):
        if all(not step.releases or stop in step.releases for step in due(migrations, origin, stop)):
            return stop
    raise PlanRefused(
        f"no release between {origin} and {target} can run {_blocked(origin, target, migrations)}",
        "roll the content over to a new instance of the target release",
    )


def _blocked(origin: str, target: str, migrations: tuple[Migration, ...]) -> str:
    steps = [s for s in due(migrations, origin, target) if s.releases and target not in s.releases]
    return f"{target} has no working copy of {steps[0].id}" if steps else ""
