"""What travels to hosts in one request: cut where hosts have to wait for each other, and nowhere else. Pure: phases in."""

from collections.abc import Iterable
from itertools import groupby

from rollout.model import Phase, PhasePlan, Step

STOPPING = (Phase.BEFORE_STOP, Phase.STOP)
Part = tuple[tuple[PhasePlan, Step], ...]


def stretches(phases: Iterable[PhasePlan]) -> tuple[tuple[PhasePlan, ...], ...]:
    """PHASES, with those together that one host goes through alone: it waits for nobody, so none of them is a barrier.

    A stretch ends before the first phase that stops anything: until then it is asked whether to go on (a pause, hooks).
    """
    found: list[tuple[PhasePlan, ...]] = []
    for phase in phases:
        if found and _goes_on(found[-1][-1], phase):
            found[-1] += (phase,)
        else:
            found.append((phase,))
    return tuple(found)


def _goes_on(before: PhasePlan, phase: PhasePlan) -> bool:
    alone = len(hosts_of((*before.steps, *phase.steps))) == 1
    return alone and before.leg == phase.leg and (phase.name not in STOPPING or before.name in STOPPING)


def parts(stretch: Iterable[PhasePlan]) -> tuple[Part, ...]:
    """The steps of STRETCH, each with its phase, in requests."""
    every = tuple((phase, step) for phase in stretch for step in phase.steps)
    if len(hosts_of(step for _, step in every)) == 1:
        return (every,)
    cut = groupby(every, key=lambda each: (each[0], each[1].scope))
    return tuple(tuple(group) for _, group in cut)


def segments(steps: Iterable[Step]) -> tuple[tuple[Step, ...], ...]:
    """The STEPS of a phase, cut where the scope changes: one for the deployment waits for all hosts, and they for it."""
    return tuple(tuple(group) for _, group in groupby(steps, key=lambda step: step.scope))


def hosts_of(steps: Iterable[Step]) -> tuple[str, ...]:
    """The hosts of STEPS, in order, each once."""
    return tuple(dict.fromkeys(host for step in steps for host in step.hosts))
