"""The phases of one hop: which steps, on which hosts, in which order. Pure: facts in, phases out."""

from collections.abc import Mapping
from dataclasses import replace

from rollout import actions, catalogue
from rollout.actions import Hosts
from rollout.facts import Facts, front_hosts
from rollout.model import Before, Phase, PhasePlan, Scope, Step
from rollout.path import Hop
from rollout.versions import PackageVersion

UNITS = "{units}"
Versions = Mapping[str, Mapping[str, str]]
Named = Mapping[Phase, tuple[Step, ...]]


def hop_phases(
    facts: Hosts, hop: Hop, steps: tuple[Step, ...], before: Mapping[str, Before], *, first: bool
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
    phases = _in_order(hop, {Phase.FETCH: actions.fetch(facts, versions)})
    for name in ahead:
        phases += _in_order(hop, _stopped({name: facts[name]}, hop, own, versions, before), ahead=name)
    together: Named = {
        **_stopped(rest, hop, steps, versions, before),
        Phase.BEFORE_STOP: actions.before_stop(facts) if first else (),
        Phase.START: actions.start(facts, before),
        Phase.VERIFY: actions.verify(facts, versions, before, hop.target),
        Phase.SETTLE: actions.settle(facts, hop.target),
    }
    return phases + _in_order(hop, together)


def _stopped(
    hosts: Hosts, hop: Hop, steps: tuple[Step, ...], versions: Versions, before: Mapping[str, Before]
) -> Named:
    """What HOSTS go through together, from their stop on."""
    return {
        Phase.STOP: actions.stop(hosts),
        Phase.BACKUP: actions.backup(hosts),
        Phase.PACKAGES: actions.install(hosts, versions),
        Phase.MISTRAL: actions.mistral(hosts) if catalogue.mistral_head(hop.target) else (),
        Phase.MIGRATIONS: migration_steps(hosts, steps, Phase.MIGRATIONS, before),
        Phase.CONFIG: actions.config(hosts),
        Phase.START: actions.start(hosts, before),
        Phase.VERIFY: actions.verify(hosts, versions, before, hop.target),
        Phase.POST_START: migration_steps(hosts, steps, Phase.POST_START, before),
    }


def _in_order(hop: Hop, named: Named, ahead: str = "") -> tuple[PhasePlan, ...]:
    return tuple(PhasePlan(hop.target, phase, named[phase], ahead) for phase in Phase if named.get(phase))


def migration_steps(
    facts: Hosts, steps: tuple[Step, ...], phase: Phase, before: Mapping[str, Before]
) -> tuple[Step, ...]:
    """The migrations' steps of PHASE, each on the hosts that are fit for it; {units} stands for what runs on a host."""
    placed: list[Step] = []
    for step in (each for each in steps if each.phase is phase):
        fit = {name: each for name, each in facts.items() if each.fits(step.needs)}
        if step.scope is Scope.DEPLOYMENT:
            placed += [replace(step, hosts=tuple(fit)[:1])] if fit else []
        else:
            placed += actions.per_host(fit, lambda host, step=step: _filled(step, before[host.host]))  # type: ignore[misc]
    return tuple(placed)


def _filled(step: Step, before: Before) -> Step | None:
    if UNITS not in step.argv:
        return step
    units = actions.wanted_units(before)
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
    for name, text in host.installed.items():
        offered = [each for each in host.available.get(name, ()) if PackageVersion.parse(each).release == release]
        if PackageVersion.parse(text).release == release:
            wanted[name] = text
        elif offered:
            wanted[name] = offered[0]
    return wanted
