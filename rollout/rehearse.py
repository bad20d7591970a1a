"""A rehearsal: the real upgrade of the databases on copies, made from a backup, while st2 serves. Pure: facts in, plan out."""

from collections.abc import Iterable, Mapping
from dataclasses import replace

from rollout import backup, catalogue, path
from rollout.actions import Hosts
from rollout.errors import PlanRefused
from rollout.facts import Facts
from rollout.journal import Record, open_run
from rollout.model import Deployment, DeploymentPlan, Migration, Phase, PhasePlan, Scope, Step
from rollout.phases import wanted_versions
from rollout.restore import Parts, holder, parts_of
from rollout.versions import order

COMMAND = "rehearse"
_ASIDE = Step(
    "rehearse.packages",
    "download the new packages and unpack them aside",
    Phase.FETCH,
    timeout=3600,
    why="what is rehearsed is what will run; nothing is installed",
)


def rehearse(
    deployment: Deployment, facts: Hosts, target: str, name: str, migrations: Iterable[Migration]
) -> DeploymentPlan:
    """Rehearse the way of DEPLOYMENT to TARGET from the backup NAME (or the newest). Raises PlanRefused."""
    catalogue.release(target)
    parts = parts_of(deployment, facts, name)
    taken = next(iter(parts.values()))
    if order(target) <= order(taken.release):
        raise PlanRefused(
            f"{deployment.name}: the backup {taken.name} is of {taken.release} already",
            "name a later release with --to",
        )
    steps = (*_of_mistral(parts, target), *_of_store(parts, facts, taken.release, target, migrations))
    if not steps:
        raise PlanRefused(
            f"{deployment.name}: the backup {taken.name} holds no dump of which anything to {target} can be rehearsed",
            f"take one with the databases: invoke backup.create --hosts {deployment.name}",
        )
    hosts = tuple(dict.fromkeys(step.hosts[0] for step in steps))
    phases = {
        Phase.PREFLIGHT: backup.checked(parts),
        Phase.FETCH: tuple(_aside(facts[host], target, steps) for host in hosts),
        Phase.MISTRAL: tuple(step for step in steps if step.phase is Phase.MISTRAL),
        Phase.MIGRATIONS: tuple(step for step in steps if step.phase is Phase.MIGRATIONS),
        Phase.SETTLE: tuple(_noted(host, target, taken.name) for host in hosts),
    }
    return DeploymentPlan(
        name=deployment.name,
        command=COMMAND,
        hosts=tuple(each.name for each in deployment.hosts),
        origin=taken.release,
        target=target,
        phases=tuple(PhasePlan(COMMAND, phase, steps) for phase, steps in phases.items() if steps),
        before={each: facts[each].before for each in facts},
        notes=("st2 serves meanwhile; the copies are dropped in every ending",),
        abandons=next((r.run for each in facts.values() if (r := open_run(each.journal, COMMAND))), ""),
    )


def _aside(host: Facts, target: str, steps: tuple[Step, ...]) -> Step:
    """The packages that the STEPS on HOST run from, at their exact versions."""
    of_mistral = any(step.phase is Phase.MISTRAL and host.host in step.hosts for step in steps)
    wanted = ("st2", "st2mistral") if of_mistral else ("st2",)
    versions = {name: text for name, text in wanted_versions(host, target).items() if name in wanted}
    if lacking := sorted(set(wanted) - set(versions)):
        raise PlanRefused(
            f"{host.host}: the repositories offer no {' and no '.join(lacking)} of {target}", "check the repository"
        )
    argv = ("stormlift-host", "aside", *(f"{name}={version}" for name, version in sorted(versions.items())))
    return replace(_ASIDE, argv=argv, hosts=(host.host,))


def _of_mistral(parts: Parts, target: str) -> tuple[Step, ...]:
    host = holder(parts, "mistral.dump")
    if not host or not catalogue.mistral_head(target):
        return ()
    return (
        Step(
            "rehearse.mistral",
            "restore the dump into a scratch database, upgrade that with the new package, drop it",
            Phase.MISTRAL,
            ("stormlift-host", "mistral", "rehearse", parts[host].name),
            scope=Scope.DEPLOYMENT,
            timeout=14400,
            why="proves the backup, the way, and how long it takes, in one move",
            hosts=(host,),
        ),
    )


def _of_store(
    parts: Parts, facts: Hosts, origin: str, target: str, migrations: Iterable[Migration]
) -> tuple[Step, ...]:
    """What can be run of the migrations of st2's database: scripts of the new package that take another configuration."""
    host = holder(parts, "store.archive")
    if not host:
        return ()
    due = path.due(migrations, origin, target, [facts[host].distro] if facts[host].distro else ())
    scripts = tuple(f"{step.id}={step.argv[0]}" for step in due if path.carries(target, step) and _elsewhere(step))
    step = Step(
        "rehearse.store",
        "restore the archive into a scratch database, run the new package's migrations on that, drop it",
        Phase.MIGRATIONS,
        ("stormlift-host", "store", "rehearse", parts[host].name, *scripts),
        scope=Scope.DEPLOYMENT,
        timeout=14400,
        why="they rewrite documents in their place, and the first failure ends them",
        hosts=(host,),
    )
    return (step,) if scripts else ()


def _elsewhere(step: Step) -> bool:
    return bool(step.argv) and "/st2-migrate-" in step.argv[0] and "--config-file" in step.argv


def _noted(host: str, target: str, name: str) -> Step:
    return Step(
        "rehearse.note",
        "the journal says how it came out",
        Phase.SETTLE,
        ("stormlift-host", "rehearsed", target, name),
        scope=Scope.HOST,
        hosts=(host,),
    )


def newest(facts: Hosts, target: str) -> tuple[Record, ...]:
    """The last rehearsal of a way to TARGET that went well since the last upgrade was settled, a record a host."""
    known = {(r.run, r.host, r.event, r.at): r for host in facts.values() for r in host.journal}
    found: tuple[Record, ...] = ()
    for each in sorted(known.values(), key=lambda record: record.at):
        if each.event == "settled":
            found = ()
        elif each.event == "rehearsed" and each.data.get("release") == target:
            found = (*(r for r in found if r.run == each.run), each)
    return found


def seconds(record: Record) -> dict[str, float]:
    """Step to the seconds that it took in a rehearsal."""
    told = record.data.get("seconds")
    return {str(k): float(v) for k, v in told.items()} if isinstance(told, Mapping) else {}


def note(records: tuple[Record, ...]) -> str:
    """A rehearsal as the next plan quotes it."""
    told = {step: count for record in records for step, count in seconds(record).items()}
    took = ", ".join(f"{step} {_told(count)}" for step, count in sorted(told.items()))
    return f"rehearsed from the backup {records[0].data.get('backup')}: it went well, and took: {took}"


def _told(count: float) -> str:
    return f"{count:.0f} s" if count >= 10 else f"{count:.1f} s"
