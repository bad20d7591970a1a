"""Findings that an operator takes upon themselves: which, where, and why. Pure."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from rollout.errors import UsageError
from rollout.findings import KNOWN
from rollout.model import Finding, Kind, Phase, PhasePlan, Severity, Step

EXPECTED = "expected KEY=REASON, or KEY@HOST=REASON for one host or deployment; the keys stand in brackets: invoke plan"


@dataclass(frozen=True)
class Waiver:
    """The findings KEY of a host or deployment are no reason to stop; `place` "" means wherever they are found."""

    key: str
    reason: str
    place: str = ""

    def covers(self, key: str, places: Iterable[str]) -> bool:
        """True for a finding KEY at one of PLACES."""
        return self.key == key and (not self.place or self.place in places)

    def __str__(self) -> str:
        return f"{self.key}@{self.place}" if self.place else self.key


def read(words: Iterable[str], steps: Iterable[Step]) -> tuple[Waiver, ...]:
    """The words of --waive; STEPS are those of releases, whose ids are keys as well. Raises UsageError."""
    keys = {*KNOWN, *(step.id for step in steps if step.kind is not Kind.RUN)}
    waivers = []
    for word in words:
        what, _, reason = (part.strip() for part in word.partition("="))
        key, at, place = what.partition("@")
        if not key or not reason or (at and not place):
            raise UsageError(f"--waive {word!r} says not what is waived, or not why", EXPECTED)
        if key not in keys:
            near = ", ".join(difflib.get_close_matches(key, sorted(keys), 3, 0.5))
            raise UsageError(f"--waive {key}: no finding is called so", f"near it: {near}" if near else EXPECTED)
        waivers.append(Waiver(key, reason, place))
    return tuple(waivers)


def never(finding: Finding) -> bool:
    """True for what no reason outweighs: an inhibitor that is not declared to be waivable. What steps look at is."""
    known = KNOWN.get(finding.key)
    return finding.severity is Severity.INHIBITOR and known is not None and not known.waivable


def waived(findings: Iterable[Finding], waivers: Sequence[Waiver], deployment: str = "") -> tuple[Finding, ...]:
    """FINDINGS of DEPLOYMENT, with the reason in those that one of WAIVERS covers. Raises UsageError for one of `never`."""

    def reason(finding: Finding) -> str:
        return next((each.reason for each in waivers if each.covers(finding.key, (finding.host, deployment))), "")

    taken = tuple(replace(each, waived=reason(each)) for each in findings)
    for each in taken:
        if each.waived and never(each):
            raise UsageError(f"{each.host}: {each.key} cannot be waived: {each.cause}", each.remedy)
    return taken


def ungated(phases: Iterable[PhasePlan], waivers: Sequence[Waiver], deployment: str) -> tuple[PhasePlan, ...]:
    """PHASES less the looks of preflight that a waiver covers: before a later hop they would stop what was let through."""

    def left(step: Step) -> tuple[str, ...]:
        if step.kind is not Kind.CHECK:
            return step.hosts
        return tuple(h for h in step.hosts if not any(each.covers(step.id, (h, deployment)) for each in waivers))

    def without(phase: PhasePlan) -> PhasePlan:
        steps = (replace(step, hosts=left(step)) for step in phase.steps)
        return replace(phase, steps=tuple(step for step in steps if step.hosts))

    thinned = (without(phase) if phase.name is Phase.PREFLIGHT else phase for phase in phases)
    return tuple(phase for phase in thinned if phase.steps)


def idle(waivers: Iterable[Waiver], findings: Iterable[Finding]) -> tuple[Waiver, ...]:
    """Those of WAIVERS that cover no finding: a wrong word, or what was settled meanwhile."""
    used = {(each.key, each.waived) for each in findings}
    return tuple(each for each in waivers if (each.key, each.reason) not in used)
