"""A way between two releases as an operator reads it: stops and steps with reasons and sources; needs no host. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from rollout import actions, catalogue, needs
from rollout.errors import PlanRefused, UsageError
from rollout.model import Kind, Migration, Step
from rollout.path import Hop, find
from rollout.quote import shell

SCHEMA = "stormlift.path/1"


@dataclass(frozen=True)
class Leg:
    """One hop with everything that it asks, in the order of its phases."""

    hop: Hop
    steps: tuple[Step, ...]


@dataclass(frozen=True)
class Route:
    """The legs between two releases, or why there are none."""

    origin: str
    target: str
    distro: str
    legs: tuple[Leg, ...] = ()
    refused: str = ""
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """The route as one JSON object; `refused` is null where there is a way."""
        return {
            "schema": SCHEMA,
            "from": self.origin,
            "to": self.target,
            "distro": self.distro,
            "stops": [leg.hop.target for leg in self.legs[:-1]],
            "refused": self.refused or None,
            "hops": [{"from": leg.hop.origin, "to": leg.hop.target, "why": leg.hop.why} for leg in self.legs],
            "steps": [_row(leg.hop, step) for leg in self.legs for step in leg.steps],
        }


def route(origin: str, target: str, migrations: Iterable[Migration], distro: str = "") -> Route:
    """The way from ORIGIN to TARGET, on DISTRO when it is named.

    Raises UsageError for a distribution that st2 was never built for, UnknownRelease for a release that is none; where
    there is no way, the route says so and why.
    """
    if distro and distro not in catalogue.DISTROS:
        raise UsageError(
            f"{distro!r} is no distribution that st2 was built for", f"one of {', '.join(catalogue.DISTROS)}"
        )
    known = tuple(migrations)
    at, to = catalogue.installed_as(origin), catalogue.release(target)
    try:
        _started(at, distro)
        hops = find(at, to, known, distros=(distro,) if distro else ())
    except PlanRefused as error:
        return Route(at, to, distro, refused=error.message, hint=error.hint)
    return Route(at, to, distro, tuple(Leg(hop, _in_order((*hop.steps, *_every_hop(hop, distro)))) for hop in hops))


def _started(release: str, distro: str) -> None:
    where = catalogue.DISTROS.get(distro)
    if where and not catalogue.built_for(where, release):
        raise PlanRefused(
            f"{release} was never built for {distro}", "name the distribution that it runs on with --distro"
        )


def _every_hop(hop: Hop, distro: str) -> tuple[Step, ...]:
    """What no release asks for by itself, and a hop needs, as it stands in a plan: virtualenvs, then content."""
    steps: tuple[Step, ...] = ()
    if catalogue.mistral_head(hop.target) and _has_mistral(hop.target, distro):
        steps += (actions.UPGRADE_MISTRAL, actions.POPULATE_MISTRAL)
    if _python_changes(hop, distro):
        steps += (actions.VIRTUALENVS,)
    return (*steps, actions.REGISTER_ALL)


def _python_changes(hop: Hop, distro: str) -> bool:
    """On DISTRO; where none is named, on any, as far as the hop goes there."""
    among = (catalogue.DISTROS[distro],) if distro else tuple(catalogue.DISTROS.values())
    crossed = (hop.origin, *catalogue.between(hop.origin, hop.target))
    return any(
        len({needs.python(each, where.name) for each in crossed if catalogue.built_for(where, each)}) > 1
        for where in among
    )


def _has_mistral(release: str, distro: str) -> bool:
    where = catalogue.DISTROS.get(distro)
    return where is None or bool(where.mistral_until)


def _in_order(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    phases = list(type(steps[0].phase))
    return tuple(sorted(steps, key=lambda step: phases.index(step.phase)))


def _row(hop: Hop, step: Step) -> dict[str, Any]:
    return {
        "id": step.id,
        "release": released(hop, step),
        "hop": hop.target,
        "phase": step.phase.value,
        "scope": step.scope.value,
        "kind": step.kind.value,
        "repeat": step.repeat.value,
        "title": step.title,
        "command": shell(step.argv),
        "remedy": step.remedy,
        "why": step.why,
        "source": step.source,
    }


def released(hop: Hop, step: Step) -> str:
    """The minor that asks for STEP, or the target of HOP for what every hop does."""
    first, second, *_ = step.id.split(".")
    return f"{first}.{second}" if first.isdigit() else hop.target


def route_text(route_: Route) -> str:
    """The route as an operator reads it: each hop with its reason, each step with what is done, why, and who says so."""
    if route_.refused:
        return f"{route_.origin} -> {route_.target}: no way by packages: {route_.refused}"
    if not route_.legs:
        return f"{route_.origin}: nothing to do"
    return "\n\n".join("\n".join(_leg_lines(leg)) for leg in route_.legs)


def _leg_lines(leg: Leg) -> Iterator[str]:
    yield f"{leg.hop.origin} -> {leg.hop.target}: {leg.hop.why}"
    for phase, steps in groupby(leg.steps, key=lambda step: step.phase.value):
        yield f"  {phase}"
        for step in steps:
            marks = ", ".join([step.id, step.scope.value, *([step.kind.value] if step.kind is not Kind.RUN else [])])
            yield f"    {step.title}  [{marks}]"
            yield f"      {step.remedy or shell(step.argv)}"
            yield f"      why: {step.why} ({step.source})"
