"""Which release an operator may say that a deployment is at, and what the journal then says. Pure."""

from collections.abc import Mapping
from typing import Any

from rollout.codec import canonical
from rollout.errors import PlanRefused
from rollout.facts import Facts
from rollout.journal import VERSION, going_back, open_run
from rollout.model import Deployment, Scope
from rollout.versions import order

Hosts = Mapping[str, Facts]


def overtaken(deployment: Deployment, facts: Hosts, release: str, *, abandon: bool = False) -> str:
    """The open upgrade that ends when DEPLOYMENT is settled at RELEASE by hand, "" when none is open.

    Raises PlanRefused: RELEASE is later than the packages of a host; an upgrade is open and nobody said to ABANDON it, or
    the other way round; a step of it runs at this moment.
    """
    for name, each in facts.items():
        if each.release and order(each.release) < order(release):
            raise PlanRefused(
                f"{name}: {each.release} is installed, so the migrations up to {release} cannot all have run",
                f"invoke upgrade --hosts {deployment.name} --to {release}",
            )
    for name, each in facts.items():
        if back := going_back(each.journal):
            command = back.data.get("command")
            raise PlanRefused(
                f"{name}: {command} is not through ({back.run})",
                f"finish it: invoke {command} --hosts {deployment.name}",
            )
    opened = {name: found.run for name, each in facts.items() if (found := open_run(each.journal))}
    again = f"invoke migrations.baseline --hosts {deployment.name} --release {release}"
    if opened and not abandon:
        name, run = next(iter(opened.items()))
        raise PlanRefused(
            f"{name}: run {run} is open",
            f"go on with it: invoke upgrade --hosts {deployment.name}; if somebody overtook it by hand: {again} --abandon",
        )
    if abandon and not opened:
        raise PlanRefused(f"{deployment.name}: no upgrade is open, so there is none to abandon", f"without it: {again}")
    if len(set(opened.values())) > 1:
        what = ", ".join(f"{name} {run}" for name, run in opened.items())
        raise PlanRefused(
            f"{deployment.name}: its journals hold different open runs: {what}",
            f"look with: invoke status --hosts {deployment.name}",
        )
    if busy := [name for name, each in facts.items() if abandon and each.running]:
        raise PlanRefused(
            f"{', '.join(busy)}: a step of the run is at work there",
            f"wait for its end, look with: invoke status --hosts {deployment.name}",
        )
    return next(iter(opened.values()), "")


def lines(
    deployment: Deployment,
    release: str,
    *,
    run: str,
    abandons: str,
    reason: str,
    by: str,
    tool: str,
    at: int,
    fence: int,
) -> tuple[str, ...]:
    """The journal lines that settle DEPLOYMENT at RELEASE in RUN, and close the run ABANDONS, if it names one, before that.

    Both are of the whole deployment: every host gets them alike. AT is in seconds since 1970.
    """
    common: dict[str, Any] = {
        "v": VERSION,
        "at": at,
        "by": by,
        "deployment": deployment.name,
        "scope": Scope.DEPLOYMENT.value,
        "tool": tool,
        "fence": fence,
    }
    given = {"release": release, "reason": reason, "baseline": True}
    closed = {**common, "run": abandons, "event": "abandoned", "data": {**given, "for": run}}
    settled = {**common, "run": run, "event": "settled", "data": {**given, "abandons": abandons} if abandons else given}
    return tuple(canonical(line) for line in ([closed] if abandons else []) + [settled])


def afterwards(deployment: Deployment, facts: Hosts) -> str:
    """What is left to do when the journal was told, "" when nothing is: a hold of the run stays until st2 may start."""
    held = [name for name, each in facts.items() if each.hold]
    if not held:
        return ""
    return (
        f"st2 is still held from starting on {', '.join(held)}; next: invoke services.start --hosts {deployment.name}"
    )
