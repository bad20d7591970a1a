"""Decide what a deployment needs. Pure: facts in, plan out, nothing is run."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from rollout import backup, catalogue, codec, durations, no_return, path, rehearse
from rollout.batches import Pace, Rollout, rollout
from rollout.errors import PlanRefused
from rollout.facts import Facts, back_hosts, mistral_host
from rollout.journal import settled
from rollout.model import Deployment, DeploymentPlan, Finding, Hook, Migration, PhasePlan, Step
from rollout.phases import hop_phases
from rollout.versions import order
from rollout.waivers import Waiver, ungated

SCHEMA = "stormlift.plan/1"


@dataclass(frozen=True)
class Skipped:
    """A deployment that was asked for and is left out."""

    name: str
    hosts: tuple[str, ...]
    reason: str


@dataclass(frozen=True)
class Plan:
    """What one command does to its deployments, and in which batches, with a hash over everything that is in it."""

    deployments: tuple[DeploymentPlan, ...]
    findings: tuple[Finding, ...] = ()
    rollout: Rollout = field(default_factory=Rollout)
    skipped: tuple[Skipped, ...] = ()
    schema: str = SCHEMA

    @property
    def hash(self) -> str:
        """SHA-256 of the plan's canonical JSON."""
        return codec.digest(self)

    @property
    def downtime_s(self) -> int:
        """Seconds in which st2 is expected to be down somewhere: of each batch the longest, one batch after the other."""
        seconds = {each.name: each.downtime_s for each in self.deployments}
        return sum(max(seconds.get(name, 0) for name in batch) for batch in self.rollout.batches)

    def to_json(self) -> dict[str, Any]:
        """The plan as one JSON object, with what follows from it: `hash`, `downtime_s`, and the exact package revisions."""
        data = codec.encode(self)
        for deployment, plan_ in zip(data["deployments"], self.deployments, strict=True):
            deployment["from"], deployment["to"] = deployment.pop("origin"), deployment.pop("target")
            deployment["packages"] = revisions(plan_)
        return {**data, "downtime_s": self.downtime_s, "hash": self.hash}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Plan":
        """The plan that to_json gave DATA of. Raises Malformed."""
        body = {key: value for key, value in data.items() if key not in ("downtime_s", "hash")}
        rows = body.get("deployments")
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            raise codec.Malformed("$.deployments: expected a list of objects")
        names = {"from": "origin", "to": "target"}
        body["deployments"] = [
            {names.get(key, key): value for key, value in row.items() if key != "packages"} for row in rows
        ]
        return codec.decode(cls, body)


def whole(
    deployments: Iterable[DeploymentPlan],
    pace: Pace,
    findings: tuple[Finding, ...] = (),
    hooks: Iterable[Hook] = (),
    skipped: tuple[Skipped, ...] = (),
) -> Plan:
    """The plan of one command; those of DEPLOYMENTS that have something to do are rolled at PACE."""
    planned = tuple(deployments)
    todo = [each.name for each in planned if not each.empty]
    meant = (replace(hook, deployments=tuple(name for name in todo if name in hook.deployments)) for hook in hooks)
    return Plan(planned, findings, rollout(todo, pace, [hook for hook in meant if hook.deployments]), skipped)


def revisions(plan: DeploymentPlan) -> dict[str, dict[str, dict[str, str]]]:
    """The exact revisions that PLAN brings, by hop, host and package."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for phase in plan.phases:
        for step in (each for each in phase.steps if each.id == "packages.set"):
            wanted = dict(word.split("=", 1) for word in step.postcondition[2:])
            found.setdefault(phase.hop, {}).update(dict.fromkeys(step.hosts, wanted))
    return found


def baseline(facts: Mapping[str, Facts]) -> str:
    """The release that the deployment is at: what its journal settled, else what is installed."""
    there = [release for each in facts.values() if (release := settled(each.journal) or each.release)]
    if not there:
        raise PlanRefused(
            f"{', '.join(facts)}: no package of st2 is installed", "check the inventory: is this an st2 host?"
        )
    return min(there, key=order)


def pending(migrations: Iterable[Migration], facts: Mapping[str, Facts], origin: str) -> tuple[Step, ...]:
    """Steps of releases up to ORIGIN that the data itself shows to be undone (somebody upgraded by hand)."""
    evidence = {key for each in facts.values() for key, count in each.evidence.items() if count}
    telling = {"1.5.datastore-scope-secret": "keys-unscoped", "2.1.datastore-scopes": "keys-old-scope"}
    done = path.due(migrations, "0.0.0", origin)
    return tuple(step for step in done if telling.get(step.id) in evidence)


def plan(
    deployment: Deployment,
    facts: Mapping[str, Facts],
    target: str,
    migrations: Iterable[Migration],
    findings: tuple[Finding, ...] = (),
    waivers: Sequence[Waiver] = (),
    external: str = "",
) -> DeploymentPlan:
    """Plan DEPLOYMENT's way to TARGET, the migrations of skipped releases included; EXTERNAL is why databases are not dumped.

    Raises PlanRefused (Downgrade, no way, nothing installed). A deployment that is at TARGET with nothing
    pending gets an empty plan.
    """
    known = tuple(migrations)
    facts = {host.name: facts[host.name] for host in deployment.hosts}
    catalogue.release(target)
    origin = baseline(facts)
    late = pending(known, facts, origin)
    hops = hops_of(facts, target, known)
    before = {name: each.before for name, each in facts.items()}

    def keep(hosts: Mapping[str, Facts], release: str) -> tuple[Step, ...]:
        return backup.taken(hosts, release, external)

    phases: tuple[PhasePlan, ...] = ()
    for number, hop in enumerate(hops):
        steps = late + hop.steps if number == 0 else hop.steps
        phases += hop_phases(facts, hop, steps, before, keep, first=number == 0)
    phases = ungated(phases, waivers, deployment.name)
    down = durations.expected(phases, facts)
    return DeploymentPlan(
        name=deployment.name,
        command="upgrade",
        hosts=tuple(h.name for h in deployment.hosts),
        origin=origin,
        target=target,
        phases=phases,
        before=before,
        findings=findings,
        notes=(
            *(f"a stop at {hop.target}, verified and settled: {hop.why}" for hop in hops[:-1]),
            *(_notes(facts, origin, target) if phases else ()),
            *((rehearse.note(tried),) if phases and (tried := rehearse.newest(facts, target)) else ()),
        ),
        downtime_s=down.seconds,
        backup_s=down.backup,
        downtime_from=down.basis,
        point_of_no_return=no_return.sentence(phases, external),
        external=external,
    )


def hops_of(facts: Mapping[str, Facts], target: str, migrations: Iterable[Migration]) -> tuple[path.Hop, ...]:
    """The way of a deployment to TARGET; none when it is there and nothing is left to do. Raises PlanRefused."""
    known, origin = tuple(migrations), baseline(facts)
    late = pending(known, facts, origin)
    distros = sorted({each.distro for each in facts.values()} & set(catalogue.DISTROS))
    hops = path.find(origin, target, known, late, _packages_there(facts), distros)
    if not hops and (late or _mistral_behind(facts)):
        hops = (path.Hop(origin, target, (), "the data shows steps that were never run"),)
    return hops


def _packages_there(facts: Mapping[str, Facts]) -> str:
    """The newest release that is installed; of a host that may go ahead of the others only when there are no others."""
    releases = [each.release for each in (back_hosts(facts) or facts).values() if each.release]
    return max(releases, key=order, default="")


def _mistral_behind(facts: Mapping[str, Facts]) -> bool:
    host = mistral_host(facts)
    state = facts[host].mistral if host else None
    return bool(state and state.state in ("old", "empty", "between"))


def _notes(facts: Mapping[str, Facts], origin: str, target: str) -> tuple[str, ...]:
    notes: list[str] = []
    host = mistral_host(facts)
    state = facts[host].mistral if host else None
    if order(origin) < order("2.2.0") <= order(target) and state and "executions_v2" in state.rows:
        notes.append(
            f"`mistral execution-list` will be empty afterwards: {state.rows['executions_v2']} old records stay in the table "
            f"executions_v2, {state.unfinished} of them unfinished (they will never finish)"
        )
    return tuple(notes)
