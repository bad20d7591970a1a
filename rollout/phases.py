"""The phases of one hop: which steps, on which hosts, in which order. Pure: facts in, phases out."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from rollout import actions, backup, catalogue, needs
from rollout.actions import Hosts
from rollout.facts import Facts, front_hosts
from rollout.model import Before, Kind, Phase, PhasePlan, Scope, Severity, Step
from rollout.path import Hop
from rollout.versions import PackageVersion

UNITS = "{units}"
Versions = Mapping[str, Mapping[str, str]]
Named = Mapping[Phase, tuple[Step, ...]]
Keep = Callable[[Hosts, str], tuple[Step, ...]]  # the backup of hosts, as the release that they are at


def hop_phases(
    facts: Hosts, hop: Hop, steps: tuple[Step, ...], before: Mapping[str, Before], keep: Keep, *, first: bool
) -> tuple[PhasePlan, ...]:
    """The phases of one hop; later hops of a plan stop what the one before started, without the drain.

    Front hosts that have something to upgrade go ahead one by one, each through phases of its own, while the others
    serve. Behind the others they are started and verified once more: the drain stopped their chat bot, too.
    """
    versions = {name: wanted_versions(each, hop.target) for name, each in facts.items()}
    front = front_hosts(facts)
    ahead = tuple(name for name in front if versions[name] != facts[name].installed)
    rest = {name: each for name, each in facts.items() if name not in front}
    own = tuple(step for step in steps if step.scope is Scope.HOST)
    running = actions.units_after(facts, before, hop.target)
    gates = () if first else _gates(rest, hop, steps)
    # Whoever else installs something is waited for as late as st2 serves: later hops have no phase before their stop.
    before_it = Phase.BEFORE_STOP if first else Phase.FETCH
    free = actions.packages_free(rest, lambda host: bool(versions[host.host]), before_it)
    fetch = (
        *actions.fetch(facts, versions),
        *actions.defaults(facts, versions),
        *backup.files(facts),
        *(() if first else free),
    )
    phases = _in_order(hop, {Phase.PREFLIGHT: gates, Phase.FETCH: fetch})
    for name in ahead:
        phases += _in_order(hop, _stopped({name: facts[name]}, hop, own, versions, running, keep), ahead=name)
    together: Named = {
        **_stopped(rest, hop, steps, versions, running, keep, "" if first else hop.origin),
        Phase.BEFORE_STOP: (*free, *actions.before_stop(facts)) if first else (),
        Phase.START: actions.start(facts, running, before, hop.target),
        Phase.VERIFY: actions.verify(facts, versions, running, hop.target),
        Phase.SETTLE: actions.settle(facts, hop.target),
    }
    return phases + _in_order(hop, together)


def _stopped(
    hosts: Hosts,
    hop: Hop,
    steps: tuple[Step, ...],
    versions: Versions,
    running: actions.Units,
    keep: Keep,
    at: str = "",
) -> Named:
    """What HOSTS go through together, from their stop on; AT is the release that an earlier hop left."""
    revision = catalogue.mistral_head(at) if at else ""
    return {
        Phase.STOP: actions.stop(hosts, at=at),
        Phase.BACKUP: keep(hosts, hop.origin),
        Phase.PACKAGES: actions.install(hosts, versions),
        Phase.MISTRAL: actions.mistral(hosts, head, revision) if (head := catalogue.mistral_head(hop.target)) else (),
        Phase.MIGRATIONS: migration_steps(hosts, steps, Phase.MIGRATIONS, running),
        Phase.CONFIG: (
            *actions.put_back(hosts, versions),
            *migration_steps(hosts, steps, Phase.CONFIG, running),
            *_virtualenvs(hosts, hop),
            *actions.config(hosts),
        ),
        Phase.START: actions.start(hosts, running),
        Phase.VERIFY: actions.verify(hosts, versions, running, hop.target),
        Phase.POST_START: (
            *migration_steps(hosts, steps, Phase.POST_START, running),
            *actions.show_defaults(hosts, versions),
        ),
    }


def _in_order(hop: Hop, named: Named, ahead: str = "") -> tuple[PhasePlan, ...]:
    return tuple(PhasePlan(hop.target, phase, named[phase], ahead) for phase in Phase if named.get(phase))


def migration_steps(facts: Hosts, steps: tuple[Step, ...], phase: Phase, running: actions.Units) -> tuple[Step, ...]:
    """The migrations' steps of PHASE that are run, each on the hosts that it concerns; {units} stands for what runs there."""
    placed: list[Step] = []
    for step in (each for each in steps if each.phase is phase and each.kind is Kind.RUN):
        fit = {name: each for name, each in facts.items() if concerns(step, each)}
        if step.scope is Scope.DEPLOYMENT:
            placed += [replace(step, hosts=tuple(fit)[:1])] if fit else []
        else:
            placed += actions.per_host(fit, lambda host, step=step: _filled(step, running[host.host]))  # type: ignore[misc]
    return tuple(placed)


# What the program of hosts finds in packs and st2.conf, of what can stop an upgrade (remote/onhost/evidence.py).
IN_CONTENT = ("runner-names", "removed-runners", "mistral-actions", "pack-global", "mongodb-ssl-files", "rbac")


def _gates(hosts: Hosts, hop: Hop, steps: tuple[Step, ...]) -> tuple[Step, ...]:
    """What could be put off until the stop before HOP and must be settled now; st2 serves while this is looked at."""
    found: list[Step] = []
    for step in (each for each in steps if each.kind is Kind.CHECK and each.severity is Severity.INHIBITOR):
        fit = tuple(name for name, each in hosts.items() if concerns(replace(step, evidence=""), each))
        argv: tuple[str, ...] = ()
        if step.evidence == "mongodb":
            wanted = needs.mongodb(hop.target)
            argv = ("stormlift-host", "mongodb-in", wanted.first, wanted.below)
        elif step.evidence == "workflows-unfinished":
            argv = ("stormlift-host", "workflows-through")
        elif step.evidence in IN_CONTENT:
            argv = ("stormlift-host", "content", step.evidence)
        if fit and argv:
            found.append(replace(step, argv=argv, hosts=fit[:1] if step.scope is Scope.DEPLOYMENT else fit))
    return tuple(found)


def _virtualenvs(hosts: Hosts, hop: Hop) -> tuple[Step, ...]:
    """Made anew where the packages of the hop bring another Python."""

    def make(host: Facts) -> Step | None:
        changes = needs.python(hop.origin, host.distro) != needs.python(hop.target, host.distro)
        return actions.VIRTUALENVS if changes and concerns(actions.VIRTUALENVS, host) else None

    return actions.per_host(hosts, make)


def concerns(step: Step, host: Facts) -> bool:
    """True when STEP is for a host like HOST: by its packages, its distribution, its services, and what was found there."""
    return (
        host.fits(step.needs)
        and (not step.distros or host.distro in step.distros)
        and (not step.units or any(unit in host.units for unit in step.units))
        and (not step.evidence or bool(host.evidence.get(step.evidence)))
    )


# A step that sets an option of st2.conf, as its migration declares it: the verb, and in words what it does to the file.
_SETS = {
    "set": "st2.conf gets: [{}] {} = {}",
    "default": "st2.conf gets, unless an absolute path stands there: [{}] {} = {}",
}


def _filled(step: Step, units: tuple[str, ...]) -> Step | None:
    if step.argv[:2] == ("stormlift-host", "setting"):
        return replace(step, changes=_SETS[step.argv[2]].format(*step.argv[3:]), tells=True)
    if UNITS not in step.argv:
        return step
    if not units:
        return None
    settle = step.settle and replace(step.settle, probe=_expand(step.settle.probe, units))
    # The wrapper starts and stops its two children itself: named beside it, systemd cancels one job for the other.
    children = catalogue.MISTRAL_UNITS[1:] if catalogue.MISTRAL_UNITS[0] in units else ()
    argv = _expand(step.argv, tuple(unit for unit in units if unit not in children))
    return replace(step, argv=argv, settle=settle)


def _expand(argv: tuple[str, ...], units: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word for each in argv for word in (units if each == UNITS else (each,)))


def wanted_versions(host: Facts, release: str) -> dict[str, str]:
    """The exact version of RELEASE for every package that HOST has and that is not there yet.

    A package whose version is not in the host's lists is left out; preflight makes that an inhibitor.
    """
    wanted: dict[str, str] = {}
    built = catalogue.packages(release)
    for name, text in ((name, text) for name, text in host.installed.items() if name in built):
        offered = [each for each in host.available.get(name, ()) if PackageVersion.parse(each).release == release]
        if PackageVersion.parse(text).release == release:
            wanted[name] = text
        elif offered:
            wanted[name] = offered[0]
    return wanted
