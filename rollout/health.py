"""Whether st2 really serves, whoever upgraded it last: which checks to make, and what they add up to. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from rollout import actions
from rollout.facts import Facts
from rollout.model import Before, Step

SCHEMA = "stormlift.health/1"
ACTS = "verify.core-local"  # runs an action: an execution more
Hosts = Mapping[str, Facts]


@dataclass(frozen=True)
class Checked:
    """One check on one host, and what it said last when it was not so."""

    deployment: str
    host: str
    step: Step
    wrong: str = ""


def checks(facts: Hosts, *, exercise: bool) -> tuple[Step, ...]:
    """The checks of an upgrade's end for the hosts of one deployment as they are: every unit that starts at boot is to run,
    and those that run anyway. Only with EXERCISE one of them acts."""
    there = {name: each for name, each in facts.items() if each.installed}
    if not there:
        return ()
    release = next(each.release for each in there.values())
    versions = {name: each.installed for name, each in there.items()}
    found = actions.verify(there, versions, {name: _wanted(each) for name, each in there.items()}, release)
    return tuple(step for step in found if exercise or step.id != ACTS)


def _wanted(host: Facts) -> tuple[str, ...]:
    # What starts at boot counts as running, and a unit that somebody else starts may be down.
    at_boot = {name: replace(unit, active="active") for name, unit in host.units.items() if unit.enabled == "enabled"}
    return actions.wanted_units(Before(units={**host.units, **at_boot}, packages=host.installed))


def report(found: Iterable[Checked]) -> dict[str, Any]:
    """What `health --json` prints."""
    rows: dict[tuple[str, str], list[Checked]] = {}
    for each in found:
        rows.setdefault((each.deployment, each.host), []).append(each)
    return {
        "schema": SCHEMA,
        "hosts": [
            {
                "name": host,
                "deployment": deployment,
                "healthy": not any(each.wrong for each in every),
                "checks": [{"id": e.step.id, "title": e.step.title, "ok": not e.wrong, "said": e.wrong} for e in every],
            }
            for (deployment, host), every in rows.items()
        ],
    }
