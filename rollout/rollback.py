"""The way back from an upgrade: from what it can be undone, and the plan of that. Pure: facts in, plan out."""

from collections.abc import Mapping

from rollout import actions, backup, packages, restore
from rollout.actions import Hosts, per_host
from rollout.errors import PlanRefused
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan, Phase, PhasePlan, Repeat, Step
from rollout.restore import Lost, Parts
from rollout.undone import Undone
from rollout.versions import order

COMMAND = "rollback"


def rollback(deployment: Deployment, facts: Hosts, run: Undone, lost: Lost) -> DeploymentPlan:
    """Take DEPLOYMENT back to what RUN found. Raises PlanRefused where that cannot be, and says why.

    Hosts that the run has not come to yet are only started again.
    """
    parts = parts_of_run(deployment, facts, run) if run.touched else {}
    before = {name: run.before.get(name, each.before) for name, each in facts.items()}
    involved = {name: facts[name] for name in parts}
    wanted = {name: dict(before[name].packages) for name in involved}
    _refuse_unoffered(deployment, facts, wanted)
    running = {name: actions.wanted_units(before[name]) for name in facts}
    named = _put_back(involved, wanted, parts, run) if run.touched else {}
    none: dict[str, str] = {}
    phases = {
        **named,
        Phase.START: actions.start(facts, running),
        Phase.VERIFY: actions.verify(facts, {name: wanted.get(name, none) for name in facts}, running, run.origin),
        Phase.SETTLE: _settle(facts, run),
    }
    return DeploymentPlan(
        name=deployment.name,
        command=COMMAND,
        hosts=tuple(host.name for host in deployment.hosts),
        origin=max((each.release for each in facts.values() if each.release), key=order, default=run.target),
        target=run.origin,
        phases=tuple(PhasePlan(COMMAND, phase, phases[phase]) for phase in Phase if phases.get(phase)),
        before=before,
        notes=_notes(run, parts, lost),
        point_of_no_return=_no_return(run),
        abandons=run.run if run.open else "",
    )


def _put_back(
    facts: Hosts, wanted: Mapping[str, Mapping[str, str]], parts: Parts, run: Undone
) -> dict[Phase, tuple[Step, ...]]:
    """What is done under the hold: packages, files, databases, units."""
    return {
        Phase.PREFLIGHT: backup.checked(parts),
        Phase.FETCH: _fetch(facts, wanted),
        Phase.STOP: actions.stop(facts),
        Phase.PACKAGES: (*_back(facts, wanted), *restore.files(parts), *actions.packages_quiet(facts)),
        Phase.MISTRAL: restore.mistral(facts, parts),
        Phase.MIGRATIONS: restore.store(parts),
        Phase.CONFIG: (*restore.sealed(facts, parts, run.target), *restore.units(parts)),
    }


# --- from what -----------------------------------------------------------------------------------------------


def parts_of_run(deployment: Deployment, facts: Hosts, run: Undone) -> Parts:
    """The backup that RUN took of the hosts that it has touched, by host. Raises PlanRefused where it is not whole."""
    name = f"{run.run}/{run.hop}"
    look = f"forward: invoke upgrade --hosts {deployment.name}; look: invoke backup.list --hosts {deployment.name}"
    there = restore.parts_named(facts, name)
    involved = {host for each in run.touched for host in (each, *restore.hosts_of(there.get(each)))}
    parts = {host: part for host, part in there.items() if host in involved}
    lacking = [f"{host}: {each.wrong}" for host, each in parts.items() if each.wrong]
    lacking += [f"{host} has no part of it" for host in sorted(involved - set(parts))]
    if lacking:
        raise PlanRefused(
            f"{deployment.name}: run {run.run} changed packages, and its backup {name} is not whole: {'; '.join(lacking)}",
            look,
        )
    if run.rewrote and (elsewhere := next((each.external for each in parts.values() if each.external), "")):
        raise PlanRefused(
            f"{deployment.name}: run {run.run} left the databases' backup to somebody else ({elsewhere}), and has begun to "
            "change them",
            f"put that snapshot back, packages and all; or go forward: invoke upgrade --hosts {deployment.name}",
        )
    return parts


def _refuse_unoffered(deployment: Deployment, facts: Hosts, wanted: Mapping[str, Mapping[str, str]]) -> None:
    gone = [
        f"{host}: {name} {version}"
        for host, versions in wanted.items()
        for name, version in versions.items()
        if facts[host].installed.get(name) != version and version not in facts[host].available.get(name, ())
    ]
    if gone:
        raise PlanRefused(
            f"{deployment.name}: the repositories no longer offer what was installed: {'; '.join(gone)}",
            "put these packages into a repository of the hosts, then the same command again",
        )


# --- the steps -----------------------------------------------------------------------------------------------


def _pairs(host: Facts, wanted: Mapping[str, Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(f"{name}={version}" for name, version in sorted(wanted[host.host].items()))


def _fetch(facts: Hosts, wanted: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    def differing(host: Facts) -> dict[str, str]:
        return {name: version for name, version in wanted[host.host].items() if host.installed.get(name) != version}

    def refresh(host: Facts) -> Step | None:
        argv = packages.commands(host.manager, differing(host)).refresh
        return (
            Step("fetch.metadata", "refresh the package lists", Phase.FETCH, argv, timeout=900)
            if differing(host)
            else None
        )

    def download(host: Facts) -> Step | None:
        if not differing(host):
            return None
        argv = ("stormlift-host", "set-back", "fetch", *_pairs(host, wanted))
        return Step(
            "fetch.packages", "download the packages that were installed before", Phase.FETCH, argv, timeout=3600
        )

    return (*per_host(facts, refresh), *per_host(facts, download))


def _back(facts: Hosts, wanted: Mapping[str, Mapping[str, str]]) -> tuple[Step, ...]:
    def make(host: Facts) -> Step | None:
        pairs = _pairs(host, wanted)
        if not pairs:
            return None
        return Step(
            "packages.back",
            "put the packages back to their exact versions",
            Phase.PACKAGES,
            ("stormlift-host", "set-back", "now", *pairs),
            postcondition=("stormlift-host", "installed", *pairs),
            repeat=Repeat.PROBE,
            timeout=7200,
            why="apt refuses an older version unless it is told, and yum has a command of its own for it",
        )

    return (*actions.packages_free(facts), *per_host(facts, make))


def undoes(plan: DeploymentPlan) -> str:
    """The run that PLAN undoes."""
    return next((step.argv[-1] for phase in plan.phases for step in phase.steps if step.id == "settle.rolled-back"), "")


def _settle(facts: Hosts, run: Undone) -> tuple[Step, ...]:
    step = Step(
        "settle.rolled-back",
        f"the journal settles {run.origin} again",
        Phase.SETTLE,
        ("stormlift-host", "settle", run.origin, run.run),
    )
    return per_host(facts, lambda _: step)


# --- the words -----------------------------------------------------------------------------------------------


def _notes(run: Undone, parts: Parts, lost: Lost) -> tuple[str, ...]:
    if not run.touched:
        return (f"run {run.run} had changed nothing but services: they are started again, and nothing is put back",)
    return (restore.lost_since(next(iter(parts.values())), lost),)


def _no_return(run: Undone) -> str:
    if not run.touched:
        return ""
    return (
        "restore.mistral. Before it: invoke upgrade goes forward again. After it: what the databases held is in this run's own "
        "backup alone"
    )
