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


def find(
    origin: str, target: str, migrations: Iterable[Migration], late: tuple[Step, ...] = (), there: str = ""
) -> tuple[Hop, ...]:
    """The hops from ORIGIN to TARGET, none when they are equal; LATE are older steps that the first hop makes up for.

    A stop is made where the packages of the target do not carry a step that is due, or carry a copy that
    fails; never at a release older than THERE, the packages that are there when somebody upgraded them by hand: no
    package manager goes back. Raises Downgrade for a target that is older, PlanRefused where no release on the way can
    run a step.
    """
    all_of_them = tuple(migrations)
    newest = max(origin, there or origin, key=order)
    if order(target) < order(newest):
        raise Downgrade(f"{target} is older than {newest}", "stormlift goes forward; name a later release with --to")
    if origin == target and (stuck := _unable(late, target)):
        raise _no_way(f"{target} has no working copy of {stuck[0].id}, which the data shows was never run")
    hops: list[Hop] = []
    at = origin
    while at != target:
        wanted = late if at == origin else ()
        stop = _furthest(at, target, all_of_them, wanted, newest)
        stuck = _unable((*wanted, *due(all_of_them, at, target)), target)
        why = f"{target} is the target" if stop == target else f"{target} has no working copy of {stuck[0].id}"
        hops.append(Hop(at, stop, due(all_of_them, at, stop), why))
        at = stop
    return tuple(hops)


def _furthest(origin: str, target: str, migrations: tuple[Migration, ...], late: tuple[Step, ...], there: str) -> str:
    for stop in reversed(catalogue.between(origin, target)):
        if order(stop) >= order(there) and not _unable((*late, *due(migrations, origin, stop)), stop):
            return stop
    stuck = _unable((*late, *due(migrations, origin, target)), target)
    raise _no_way(f"no release between {there} and {target} can run {stuck[0].id}")


def _unable(steps: Iterable[Step], release: str) -> tuple[Step, ...]:
    """The STEPS that the packages of RELEASE cannot run."""
    return tuple(step for step in steps if step.releases and release not in step.releases)


def _no_way(why: str) -> PlanRefused:
    return PlanRefused(why, "choose another target with --to, or roll the content over to a new instance")
