"""Which backups of a deployment are kept, and which go. Pure: what lies on the hosts and the time in, names out.

What goes, goes run by run: a run of three hops has three backups, and the way back to where it began needs the first one.
A run stays when either rule keeps it. Whatever the rules say, these stay: the backups of a run that is open; on each host the
newest run with a whole one, and the newest that holds each of the databases; and what this release of the tool cannot read.
"""

import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from rollout.actions import Hosts, per_host
from rollout.journal import open_run
from rollout.model import Deployment, DeploymentPlan, Phase, PhasePlan, Step

PRUNE = "backup.prune"
DAY_S = 86400
# What onhost/backup.py says of a folder that was begun and never sealed.
NO_MANIFEST = "has no manifest"
# What the program on hosts takes for a backup's name (onhost/backup.sh).
_NAME = re.compile(r"(?!.*\.\.)[A-Za-z0-9_@][A-Za-z0-9._@-]*/[A-Za-z0-9_@][A-Za-z0-9._@-]*\Z")
# What somebody may need back by itself: a run that repaired Mistral holds nothing of st2's own database.
KINDS = ("files.tar", "mistral.dump", "store.archive")


class Part(Protocol):
    """What lies on one host of a backup, as `backup list` says it."""

    @property
    def name(self) -> str:
        """RUN/HOP."""

    @property
    def at(self) -> float:
        """When it was made, in seconds since 1970."""

    @property
    def bytes(self) -> int:
        """Its size there."""

    @property
    def wrong(self) -> str:
        """Why it is none, or ""."""

    @property
    def external(self) -> str:
        """Why it has no databases in it, or ""."""

    @property
    def hosts(self) -> str:
        """The hosts that are to have a part of it, with commas."""

    @property
    def files(self) -> Mapping[str, int]:
        """Its files there, and their bytes."""


class State(str, Enum):
    """whole: there on all of its hosts; partial: on some of them, as when one was set up anew or left the deployment;
    unfinished: sealed on none; unknown: not ours to judge."""

    WHOLE = "whole"
    PARTIAL = "partial"
    UNFINISHED = "unfinished"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Stored:
    """A backup of a deployment: where its parts lie, how old and large it is, in which state, what it `holds` of what may be
    needed by itself, whether its databases were kept elsewhere, whether its run is open."""

    name: str
    hosts: tuple[str, ...]
    at: float
    bytes: int
    state: State
    holds: tuple[str, ...] = KINDS
    external: bool = False
    open: bool = False

    @property
    def run(self) -> str:
        """The run that took it."""
        return self.name.partition("/")[0]


@dataclass(frozen=True)
class Rule:
    """Keep the newest `keep` runs of each host, and those of the last `days` days; 0 is no rule."""

    keep: int = 0
    days: int = 0


def stored(parts: Mapping[str, Iterable[Part]], open_runs: Collection[str]) -> tuple[Stored, ...]:
    """The backups of a deployment, put together from the PARTS that each of its hosts has."""
    by_name: dict[str, dict[str, Part]] = {}
    for host, each in parts.items():
        for part in each:
            by_name.setdefault(part.name, {})[host] = part
    return tuple(_stored(name, found, open_runs) for name, found in by_name.items())


def open_runs(facts: Hosts) -> set[str]:
    """The runs, of whatever command, that some host's journal has as begun and neither closed nor abandoned."""
    found: set[str] = set()
    for each in facts.values():
        begun = {record.run for record in each.journal if record.event == "opened"}
        found |= begun - {record.run for record in each.journal if record.event in ("closed", "abandoned")}
    return found


def _stored(name: str, parts: Mapping[str, Part], open_runs: Collection[str]) -> Stored:
    return Stored(
        name=name,
        hosts=tuple(parts),
        at=max(part.at for part in parts.values()),
        bytes=sum(part.bytes for part in parts.values()),
        state=_state(parts) if named(name) else State.UNKNOWN,
        holds=tuple(kind for kind in KINDS if any(kind in part.files for part in parts.values())),
        external=any(part.external for part in parts.values()),
        open=name.partition("/")[0] in open_runs,
    )


def named(name: str) -> bool:
    """Whether NAME can be that of a backup; another folder that somebody made is none of ours."""
    return bool(_NAME.match(name))


def _state(parts: Mapping[str, Part]) -> State:
    wrong = [part.wrong for part in parts.values() if part.wrong]
    if any(NO_MANIFEST not in each for each in wrong):
        return State.UNKNOWN
    if len(wrong) == len(parts):
        return State.UNFINISHED
    meant = {host for part in parts.values() for host in part.hosts.split(",") if host}
    return State.PARTIAL if wrong or meant - set(parts) else State.WHOLE


def going(backups: Collection[Stored], rule: Rule, now: float) -> tuple[Stored, ...]:
    """Those of BACKUPS that go: first what was never finished and is older than a day, then the oldest.

    NOW is in seconds since 1970. Without a rule nothing whole goes.
    """
    unfinished = [
        each for each in backups if each.state is State.UNFINISHED and not each.open and each.at < now - DAY_S
    ]
    sealed = [each for each in backups if each.state in (State.WHOLE, State.PARTIAL)]
    stay = _kept_always(backups, sealed) | _kept_by(sealed, rule, now)
    old = [each for each in sealed if each.run not in stay] if rule.keep or rule.days else []
    return (*sorted(unfinished, key=_age), *sorted(old, key=_age))


def _age(backup: Stored) -> tuple[float, str]:
    return backup.at, backup.name


def _kept_always(backups: Collection[Stored], sealed: Collection[Stored]) -> set[str]:
    """The runs that no rule touches. A run is open or unknown as a whole: part of a way back is none."""
    found = {each.run for each in backups if each.open or each.state is State.UNKNOWN}
    for kept in (_whole(sealed), sealed):  # where a host has left, none of the older ones is whole any more
        found |= _newest(kept, 1)
        for kind in KINDS:
            found |= _newest([each for each in kept if kind in each.holds], 1)
    return found


def _kept_by(sealed: Collection[Stored], rule: Rule, now: float) -> set[str]:
    """The runs that RULE keeps. Those that are partial take no whole one's place."""
    young = {each.run for each in sealed if each.at >= now - rule.days * DAY_S} if rule.days else set()
    return young | _newest(_whole(sealed), rule.keep) | _newest(sealed, rule.keep)


def _whole(backups: Collection[Stored]) -> list[Stored]:
    return [each for each in backups if each.state is State.WHOLE]


def _newest(backups: Collection[Stored], count: int) -> set[str]:
    """The runs that are among the newest COUNT of some host: a host may have gone ahead, or be new in its deployment."""
    found: set[str] = set()
    for host in {host for each in backups for host in each.hosts}:
        newest: dict[str, float] = {}
        for each in backups:
            if host in each.hosts:
                newest[each.run] = max(each.at, newest.get(each.run, each.at))
        found.update(sorted(newest, key=lambda run: (newest[run], run), reverse=True)[:count])
    return found


# --- as steps ------------------------------------------------------------------------------------------------


def steps(facts: Hosts, gone: Collection[Stored]) -> tuple[Step, ...]:
    """Remove the backups that are GONE, each from the hosts that have a part of it."""

    def forget(mine: Collection[Stored]) -> Step | None:
        if not mine:
            return None
        return Step(
            "backup.forget",
            "remove backups that are kept no longer",
            Phase.SETTLE,
            ("stormlift-host", "backup", "forget", *(each.name for each in mine)),
            timeout=3600,
            changes=f"removes {len(mine)} backup{'s' if len(mine) > 1 else ''} for good",
        )

    return per_host(facts, lambda host: forget([each for each in gone if host.host in each.hosts]))


def after(
    facts: Hosts, backups: Collection[Stored], rule: Rule, now: float, run: str, holds: tuple[str, ...] = KINDS
) -> tuple[Step, ...]:
    """What a RUN does at its end that takes a backup which HOLDS these: when it gets there, its own is whole and counts."""
    own = Stored(f"{run}/", tuple(facts), now, 0, State.WHOLE, holds, open=True)
    return steps(facts, going((*backups, own), rule, now))


def prune(deployment: Deployment, facts: Hosts, backups: Collection[Stored], rule: Rule, now: float) -> DeploymentPlan:
    """Remove what RULE does not keep; an empty plan when that is nothing."""
    gone = going(backups, rule, now)
    made = steps(facts, gone)
    release = next((each.release for each in facts.values() if each.release), "")
    return DeploymentPlan(
        name=deployment.name,
        command=PRUNE,
        hosts=tuple(host.name for host in deployment.hosts),
        origin=release,
        target=release,
        phases=(PhasePlan(PRUNE, Phase.SETTLE, made),) if made else (),
        before={name: each.before for name, each in facts.items()},
        notes=notes(backups, gone, now) if made else (),
        abandons=next((found.run for each in facts.values() if (found := open_run(each.journal, PRUNE))), ""),
    )


def notes(backups: Collection[Stored], gone: Collection[Stored], now: float) -> tuple[str, ...]:
    """What goes and what stays, a line each."""
    lines = [f"goes: {_line(each, now)}" for each in gone]
    return (*lines, *(f"stays: {_line(each, now)}" for each in sorted(set(backups) - set(gone), key=_age)))


def _line(backup: Stored, now: float) -> str:
    days = max(0, int(now - backup.at)) // DAY_S
    about = [backup.state.value, f"{backup.bytes / (1 << 20):.1f} MiB", f"{days} day{'' if days == 1 else 's'} old"]
    about += ["databases elsewhere"] if backup.external else []
    about += ["its run is open"] if backup.open else []
    return f"{backup.name} on {', '.join(backup.hosts)}: {', '.join(about)}"
