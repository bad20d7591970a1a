"""Put a backup back: its steps, and the plan of backup.restore. Pure: facts in, plans out."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from rollout import actions, backup
from rollout.actions import Hosts
from rollout.errors import PlanRefused
from rollout.facts import BackupFacts
from rollout.journal import open_run
from rollout.model import Before, Deployment, DeploymentPlan, Phase, PhasePlan, Scope, Step, UnitState
from rollout.repairs import refuse_on_the_way_back

COMMAND = "backup.restore"
Parts = Mapping[str, BackupFacts]  # of one backup, by the host that each lies on


@dataclass(frozen=True)
class Lost:
    """What was stored since a backup was taken, at the moment `since` in words, and is lost when that is put back; None is
    what could not be counted."""

    since: str
    executions: int | None = None
    workflows: int | None = None

    def __str__(self) -> str:
        said = [
            f"{count} {what}" if count is not None else f"{what}, whose number could not be counted"
            for count, what in ((self.executions, "executions of st2"), (self.workflows, "executions of Mistral"))
        ]
        return " and ".join(said)


def files(parts: Parts) -> tuple[Step, ...]:
    """The configuration of every host, byte for byte."""
    step = Step(
        "restore.files",
        "put the configuration back, byte for byte",
        Phase.PACKAGES,
        timeout=900,
        why="what was not there when the backup was taken is moved into the run's folder, not deleted",
    )
    return tuple(
        replace(
            step,
            argv=("stormlift-host", "backup", "put-back", each.name),
            postcondition=("stormlift-host", "backup", "same", each.name),
            hosts=(host,),
        )
        for host, each in parts.items()
    )


def mistral(facts: Hosts, parts: Parts) -> tuple[Step, ...]:
    """Mistral's database out of the dump: what stands there is dumped first, then replaced in one transaction."""
    host = holder(parts, "mistral.dump")
    if not host:
        return ()
    quiet = actions.mistral_quiet(facts)
    kept = replace(
        backup.MISTRAL,
        id="restore.mistral-kept",
        title="dump Mistral's database as it is now, if it is there",
        phase=Phase.MISTRAL,
        argv=(*backup.MISTRAL.argv, "gone"),
        why="what is replaced must be had again",
        hosts=(host,),
    )
    put = Step(
        "restore.mistral",
        "put Mistral's database back, in one transaction",
        Phase.MISTRAL,
        ("stormlift-host", "mistral", "restore", parts[host].name),
        scope=Scope.DEPLOYMENT,
        needs="st2mistral",
        postcondition=("stormlift-host", "mistral", "same", parts[host].name),
        timeout=7200,
        why="the old package cannot read what the new one's migrations made",
        hosts=(host,),
    )
    return (*quiet, kept, put)


def store(parts: Parts) -> tuple[Step, ...]:
    """st2's database out of the archive: what stands there is dumped first."""
    host = holder(parts, "store.archive")
    if not host:
        return ()
    kept = replace(backup.STORE, id="restore.store-kept", title="dump st2's database as it is now", phase=Phase.MIGRATIONS,
                   why="what is replaced must be had again", hosts=(host,))  # fmt: skip
    put = Step(
        "restore.store",
        "put st2's database back",
        Phase.MIGRATIONS,
        ("stormlift-host", "store", "restore", parts[host].name),
        scope=Scope.DEPLOYMENT,
        needs="st2",
        postcondition=("stormlift-host", "store", "same", parts[host].name),
        timeout=7200,
        why="MongoDB has no transaction over all collections: cut off, it begins again",
        hosts=(host,),
    )
    return (kept, put)


def sealed(facts: Hosts, parts: Parts, release: str) -> tuple[Step, ...]:
    """The manifest over what was kept of the databases, where there is any."""
    hosts = {host: facts[host] for file in ("mistral.dump", "store.archive") if (host := holder(parts, file))}
    # No dump is asked for: a database that was gone left none, and a step that could not dump has ended the run.
    steps = backup.sealed(hosts, (), release)
    return tuple(replace(step, phase=Phase.CONFIG, title="read back and seal what was replaced") for step in steps)


def units(parts: Parts) -> tuple[Step, ...]:
    """Every unit enabled, disabled or masked as it was."""
    steps = []
    for host, each in parts.items():
        states = tuple(
            f"{unit}={state[1]}" for unit, state in each.units.items() if state[1] in ("enabled", "disabled", "masked")
        )
        if states:
            steps.append(
                Step(
                    "restore.units",
                    "enable and disable units as they were",
                    Phase.CONFIG,
                    ("stormlift-host", "units-as", "set", *states),
                    postcondition=("stormlift-host", "units-as", "is", *states),
                    why="packages enable what they bring, at every upgrade and downgrade",
                    hosts=(host,),
                )
            )
    return tuple(steps)


def holder(parts: Parts, file: str) -> str:
    """The host on which FILE of the backup lies, or ""."""
    return next((host for host, each in parts.items() if file in each.files), "")


def taken_from(plan: DeploymentPlan) -> str:
    """The backup that PLAN puts back."""
    return next((step.argv[-1] for phase in plan.phases for step in phase.steps if step.id == "restore.files"), "")


def before_of(parts: Parts) -> dict[str, Before]:
    """Each host as its part of the backup knows it: what start puts back."""
    return {
        host: Before({unit: UnitState(*state[:2]) for unit, state in each.units.items()}, dict(each.packages))
        for host, each in parts.items()
    }


def parts_of(deployment: Deployment, facts: Hosts, name: str = "") -> dict[str, BackupFacts]:
    """The parts of the backup NAME (RUN/HOP, or RUN where it took one), or of the newest without a name, by host.

    What a repair or a way back put aside before it replaced it is had by its name alone: it is of a state that nobody wanted.
    Raises PlanRefused where there is none, or a part of it is missing or is none.
    """
    look = f"look: invoke backup.list --hosts {deployment.name}"
    meant = (part for each in facts.values() for part in each.backups if fits(part, name) and (name or part.of_all))
    found = sorted({(part.at, part.name) for part in meant})
    names = tuple(dict.fromkeys(each for _, each in found))
    if not names:
        raise PlanRefused(f"{deployment.name}: there is no backup{f' {name}' if name else ''}", look)
    if name and len(names) > 1:
        raise PlanRefused(f"{deployment.name}: run {name} took several backups: {', '.join(names)}", "name one of them")
    if lacking := lacks(facts, names[-1]):
        raise PlanRefused(f"{deployment.name}: the backup {names[-1]} is not whole: {'; '.join(lacking)}", look)
    return parts_named(facts, names[-1])


def fits(part: BackupFacts, name: str) -> bool:
    """True when NAME, RUN or RUN/HOP, means PART; an empty one means all."""
    return name in ("", part.name, part.run)


def parts_named(facts: Hosts, name: str) -> dict[str, BackupFacts]:
    """What lies of the backup NAME on each host, whole or not."""
    return {host: part for host, each in facts.items() for part in each.backups if part.name == name}


def hosts_of(part: BackupFacts | None) -> tuple[str, ...]:
    """The hosts that have a part of the same backup, as one part of it says."""
    return tuple(host for host in part.hosts.split(",") if host) if part else ()


def lacks(facts: Hosts, name: str) -> list[str]:
    """What is missing of the backup NAME, a sentence each: a part that is none, or a host of it that has no part."""
    parts = parts_named(facts, name)
    wrong = [f"{host}: {each.wrong}" for host, each in parts.items() if each.wrong]
    meant = {host for each in parts.values() for host in hosts_of(each)}
    return wrong + [f"{host} has no part of it" for host in sorted(meant - set(parts))]


def verify(deployment: Deployment, facts: Hosts, name: str) -> DeploymentPlan:
    """Prove a backup: every file against its manifest, every dump restored into a scratch database. st2 serves on."""
    parts = parts_of(deployment, facts, name)
    steps = tuple(
        Step(
            f"verify.{verb}-scratch",
            f"restore the dump of {what} into a scratch database, compare, drop it",
            Phase.VERIFY,
            ("stormlift-host", verb, "scratch", parts[host].name),
            scope=Scope.DEPLOYMENT,
            timeout=7200,
            why="a dump that was never restored is a hope",
            hosts=(host,),
        )
        for verb, what, file in (
            ("mistral", "Mistral's database", "mistral.dump"),
            ("store", "st2's database", "store.archive"),
        )
        if (host := holder(parts, file))
    )
    return _plan(
        deployment, facts, "backup.verify", {Phase.PREFLIGHT: backup.checked(parts), Phase.VERIFY: steps}, parts
    )


def refuse_while_open(deployment: Deployment, facts: Hosts) -> None:
    """Raise PlanRefused where a rollback is not through, or an upgrade is open, which would go on with what it had found."""
    refuse_on_the_way_back(deployment, facts)
    for each in facts.values():
        if opened := open_run(each.journal):
            raise PlanRefused(
                f"{deployment.name}: run {opened.run} is open",
                f"forward: invoke upgrade --hosts {deployment.name}; back: invoke rollback --hosts {deployment.name}",
            )


def restore(deployment: Deployment, facts: Hosts, parts: Parts, lost: Lost) -> DeploymentPlan:
    """Put configuration and databases back under the installed packages. Refuses a backup of another release."""
    taken = next(iter(parts.values()))
    odd = [
        f"{host} has {facts[host].release or 'none'}"
        for host, each in parts.items()
        if facts[host].release != each.release
    ]
    if odd:
        raise PlanRefused(
            f"{deployment.name}: the backup {taken.name} is of {taken.release}, but {', '.join(odd)}",
            f"to undo an upgrade, packages and all: invoke rollback --hosts {deployment.name}",
        )
    if taken.external:
        raise PlanRefused(
            f"{deployment.name}: the backup {taken.name} holds no databases: {taken.external}",
            "put that snapshot back by the way it was taken; the configuration lies in files.tar of the backup",
        )
    here = {host: facts[host] for host in parts}
    running = {host: actions.wanted_units(each) for host, each in before_of(parts).items()}
    stopped: dict[Phase, tuple[Step, ...]] = {
        Phase.PREFLIGHT: backup.checked(parts),
        Phase.STOP: actions.stop(here),
        Phase.PACKAGES: files(parts),
        Phase.MISTRAL: mistral(here, parts),
        Phase.MIGRATIONS: store(parts),
        Phase.CONFIG: (*sealed(here, parts, taken.release), *units(parts)),
        Phase.START: actions.start(here, running),
        Phase.VERIFY: actions.verify(here, {host: {} for host in here}, running, taken.release),
    }
    notes = (lost_since(taken, lost),)
    return _plan(deployment, facts, COMMAND, stopped, parts, notes)


def lost_since(taken: BackupFacts, lost: Lost) -> str:
    """What going back to a backup loses, as a sentence."""
    return (
        f"from the backup {taken.name}, taken {lost.since} by the hosts' clocks; what was stored since is lost, {lost}: "
        "it is dumped before it is replaced"
    )


def _plan(
    deployment: Deployment,
    facts: Hosts,
    command: str,
    phases: Mapping[Phase, tuple[Step, ...]],
    parts: Parts,
    notes: tuple[str, ...] = (),
) -> DeploymentPlan:
    release = next((each.release for each in facts.values() if each.release), "")
    return DeploymentPlan(
        name=deployment.name,
        command=command,
        hosts=tuple(host.name for host in deployment.hosts),
        origin=release,
        target=release,
        phases=tuple(PhasePlan(command, phase, phases[phase]) for phase in Phase if phases.get(phase)),
        before=before_of(parts),
        notes=notes,
    )
