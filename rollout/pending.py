"""Which steps of releases a deployment has not been through, and why they are its business. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from rollout import journal, path, plan
from rollout.facts import Facts
from rollout.journal import Record, open_run
from rollout.model import Deployment, Kind, Migration, Scope, Step
from rollout.phases import concerns
from rollout.versions import order

SCHEMA = "stormlift.pending/1"
Hosts = Mapping[str, Facts]


@dataclass(frozen=True)
class Due:
    """A step that was not run; of a step of hosts, the HOSTS that have still to."""

    step: Step
    release: str
    hosts: tuple[str, ...]
    why: str


def target_of(deployment: Deployment, facts: Hosts, to: str = "") -> str:
    """How far DEPLOYMENT is to be: TO, else what an open upgrade goes to, else its target in the inventory, and whatever
    is said never less than what is installed, "" with nothing installed."""
    opened = next((found for each in facts.values() if (found := open_run(each.journal))), None)
    said = to or (str(opened.data.get("to", "")) if opened else "") or deployment.target
    return max(filter(None, (said, *(each.release for each in facts.values()))), key=order, default="")


def due(deployment: Deployment, facts: Hosts, migrations: Iterable[Migration], to: str = "") -> tuple[Due, ...]:
    """The steps that DEPLOYMENT has not been through: of releases that it counts as past, what its data shows to be undone;
    then what lies between the release that it is at and where it is to be, less what an open upgrade has finished."""
    known = tuple(migrations)
    if not any(each.installed for each in facts.values()):
        return ()
    at, target = plan.baseline(facts), target_of(deployment, facts, to)
    release_of = {step.id: each.release for each in known for step in each.steps}
    late = plan.pending(known, facts, at)
    distros = sorted({each.distro for each in facts.values() if each.distro})
    # What is unfinished in an open run was never run, whichever release its hops have settled since.
    ahead = tuple(step for step in path.due(known, at, target, distros) if step.kind is Kind.RUN)
    whys = {step.id: f"the data shows that it was never run: {_shown(facts)}" for step in late}
    found = []
    for step in (*late, *(each for each in ahead if each.id not in whys)):
        if hosts := tuple(_left(step, facts, finished=step.id not in whys)):
            why = whys.get(step.id, f"on the way from {at} to {target}")
            found.append(Due(step, release_of[step.id], hosts, why))
    return tuple(found)


def _shown(facts: Hosts) -> str:
    found = {key: count for each in facts.values() for key, count in each.evidence.items() if key.startswith("keys-")}
    words = {"keys-unscoped": "keys without a scope", "keys-old-scope": "keys under the old scopes"}
    return ", ".join(f"{found[key]} {text}" for key, text in words.items() if found.get(key))


def _left(step: Step, facts: Hosts, *, finished: bool) -> Iterator[str]:
    """The hosts that STEP is for and that have not FINISHED it in an upgrade that is open."""
    everywhere = journal.merged({name: each.journal for name, each in facts.items()})
    for name, each in facts.items():
        opened = open_run(each.journal)
        records = everywhere if step.scope is Scope.DEPLOYMENT else each.journal
        if concerns(step, each) and not (finished and opened and _done(step, opened.run, records)):
            yield name


def _done(step: Step, run: str, records: Iterable[Record]) -> bool:
    return any(
        each.run == run and each.event == "finished" and each.code == 0 and each.step.partition(":")[2] == step.id
        for each in records
    )


def report(deployments: Mapping[str, tuple[str, str, tuple[Due, ...]]]) -> dict[str, Any]:
    """What `migrations.pending --json` prints, of deployments by name: where they are, where to, and what is due."""
    rows = [
        {
            "name": name,
            "at": at,
            "to": to,
            "steps": [
                {
                    "id": each.step.id,
                    "release": each.release,
                    "phase": each.step.phase.value,
                    "scope": each.step.scope.value,
                    "title": each.step.title,
                    "hosts": list(each.hosts),
                    "why": each.why,
                    "source": each.step.source,
                }
                for each in dues
            ],
        }
        for name, (at, to, dues) in deployments.items()
    ]
    return {"schema": SCHEMA, "deployments": rows}
