"""What the releases on the way ask an operator to look at or to do first: steps and facts in, findings out. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from rollout import needs, unfinished
from rollout.facts import Facts
from rollout.model import Finding, Kind, Scope, Severity, Step
from rollout.path import Hop
from rollout.phases import concerns

Hosts = Mapping[str, Facts]


@dataclass(frozen=True)
class Cause:
    """Why a step concerns a host; `sure` is False where the host could not be asked."""

    text: str
    sure: bool = True


def findings(facts: Hosts, hops: Iterable[Hop]) -> tuple[Finding, ...]:
    """A finding for every step on the way that nobody runs: each host that it concerns, or the first for a deployment.

    What must be settled before a later hop does not stop the first one: it can be done at the stop between them, and the
    hop looks for it again before anything is stopped (`gates`).
    """
    found: list[Finding] = []
    for number, hop in enumerate(hops):
        for step in (each for each in hop.steps if each.kind is not Kind.RUN):
            mine = tuple(_of_step(facts, step, hop, first=number == 0))
            found += mine[:1] if step.scope is Scope.DEPLOYMENT else mine
    return tuple(found)


def _of_step(facts: Hosts, step: Step, hop: Hop, *, first: bool) -> Iterator[Finding]:
    for name, host in facts.items():
        if not concerns(replace(step, evidence=""), host):
            continue
        if cause := _cause(step, host, hop.target):
            severity, where = step.severity, ""
            if severity is Severity.INHIBITOR and not (first and cause.sure):
                severity = Severity.WARNING
                where = "" if first else f" (before {hop.target}, at the latest at the stop {hop.origin})"
            yield Finding(step.id, severity, name, f"{step.title}{where}: {cause.text}; {step.why}", step.remedy)


def _cause(step: Step, host: Facts, release: str) -> Cause | None:
    """Why STEP concerns HOST on its way to RELEASE, None where it does not."""
    if not step.evidence:
        return Cause("asked of every deployment")
    if look := _LOOKS.get(step.evidence):
        return look(host, release)
    if count := host.evidence.get(step.evidence):
        return Cause(f"{count} found, the first at {host.places.get(step.evidence, 'an unnamed place')}")
    return None


def _node(host: Facts, release: str) -> Cause | None:
    wanted, there, offered = needs.node(release), host.versions.get("node", ""), host.versions.get("node-offered", "")
    if any(version not in ("", "none") and wanted.holds(version) for version in (there, offered)):
        return None
    if not there and not offered:
        return Cause("which Node.js can be installed could not be read", sure=False)
    return Cause(f"{there or 'none'} is installed, {offered or 'none'} offered, st2chatops of {release} needs {wanted}")


def _mongodb(host: Facts, release: str) -> Cause | None:
    wanted, there = needs.mongodb(release), host.versions.get("mongodb", "")
    if not there:
        return Cause("its release could not be read", sure=False)
    return None if wanted.holds(there) else Cause(f"it is {there}, {release} needs {wanted}")


def _python36(host: Facts, release: str) -> Cause | None:
    return None if host.versions.get("python-offered", "none") != "none" else Cause("no repository offers it")


def _queue(host: Facts, release: str) -> Cause | None:
    if count := host.evidence.get("queue-notifiers"):
        return Cause(f"{count} messages stand in {host.places.get('queue-notifiers', 'it')}")
    return Cause(f"it could not be asked ({why})", sure=False) if (why := unfinished.notifiers(host)) else None


_LOOKS = {"nodejs": _node, "mongodb": _mongodb, "python36": _python36, "queue-notifiers": _queue}
