"""The way between two releases: which stops are needed, and what each hop asks. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass

from rollout import catalogue
from rollout.errors import Downgrade, PlanRefused
from rollout.model import Migration, Step
from rollout.versions import order

ROLL_OVER = "roll the content over to a new instance on a distribution that it was built for"


@dataclass(frozen=True)
class Hop:
    """One full upgrade on the way; `steps` are those of the migrations that it crosses, in version order."""

    origin: str
    target: str
    steps: tuple[Step, ...]
    why: str


def due(migrations: Iterable[Migration], origin: str, target: str, distros: Iterable[str] = ()) -> tuple[Step, ...]:
    """The steps of every release after ORIGIN, up to TARGET; skipped releases included, in version order.

    What a later release made needless is left out, and what concerns none of DISTROS, when they are known.
    """
    where = set(distros)
    crossed = [m for m in migrations if order(origin) < order(m.release) <= order(target)]
    return tuple(
        step
        for m in sorted(crossed, key=lambda m: order(m.release))
        for step in m.steps
        if (not step.until or order(target) < order(step.until))
        and not (where and step.distros and where.isdisjoint(step.distros))
    )


def find(
    origin: str,
    target: str,
    migrations: Iterable[Migration],
    late: tuple[Step, ...] = (),
    there: str = "",
    distros: Iterable[str] = (),
) -> tuple[Hop, ...]:
    """The hops from ORIGIN to TARGET, none when they are equal; LATE are older steps that the first hop makes up for.

    A stop is made where the packages of the target do not carry a step that is due, or carry a copy that fails, and
    where a step asks that its hop begins later; only at releases that were built for all of DISTROS, and never at one
    older than THERE, the packages that are there when somebody upgraded them by hand: no package manager goes back.
    Raises Downgrade for a target that is older, PlanRefused where there is no way.
    """
    known, where = tuple(migrations), tuple(distros)
    newest = max(origin, there or origin, key=order)
    if order(target) < order(newest):
        raise Downgrade(f"{target} is older than {newest}", "stormlift goes forward; name a later release with --to")
    _built(target, where)
    if origin == target and (stuck := _obstacle(late, origin, target)):
        raise _no_way(f"{target} {stuck}, which the data shows was never run")
    hops: list[Hop] = []
    at = origin
    while at != target:
        wanted = late if at == origin else ()
        stop = _furthest(at, target, known, wanted, newest, where)
        stuck = _obstacle((*wanted, *due(known, at, target, where)), at, target)
        why = f"{target} is the target" if stop == target else f"{target} {stuck}"
        hops.append(Hop(at, stop, due(known, at, stop, where), why))
        at = stop
    return tuple(hops)


def _furthest(
    origin: str, target: str, migrations: tuple[Migration, ...], late: tuple[Step, ...], there: str, distros: tuple[str, ...]
) -> str:  # fmt: skip
    for stop in reversed(catalogue.between(origin, target)):
        buildable = all(catalogue.built_for(catalogue.DISTROS[name], stop) for name in distros)
        steps = (*late, *due(migrations, origin, stop, distros))
        if buildable and order(stop) >= order(there) and not _obstacle(steps, origin, stop):
            return stop
    stuck = _obstacle((*late, *due(migrations, origin, target, distros)), origin, target)
    raise _no_way(f"no release between {there} and {target} leads further: {target} {stuck}")


def _built(release: str, distros: tuple[str, ...]) -> None:
    for name in distros:
        where = catalogue.DISTROS[name]
        if not catalogue.built_for(where, release):
            ends = catalogue.newest_for(where)
            raise PlanRefused(
                f"{release} was never built for {name}, which ends at {ends}", f"--to {ends}, or {ROLL_OVER}"
            )


def _obstacle(steps: Iterable[Step], origin: str, release: str) -> str:
    """What keeps a hop from ORIGIN to RELEASE from doing STEPS, as the rest of a sentence on RELEASE; "" for nothing."""
    for step in steps:
        if not carries(release, step):
            return f"has no working copy of {step.id}"
        if step.since and order(origin) < order(step.since):
            return f"asks for {step.id}, which can only be done at {step.since} or later"
    return ""


def carries(release: str, step: Step) -> bool:
    """True when the packages of RELEASE have a working copy of what STEP calls."""
    bands = (band.partition("..") for band in step.releases)
    inside = [
        order(first) <= order(release) and (not last or order(release) <= order(last)) for first, _, last in bands
    ]
    return not inside or any(inside)


def _no_way(why: str) -> PlanRefused:
    return PlanRefused(why, "choose another target with --to, or roll the content over to a new instance")
