"""How long st2 was down on each host of a run, and how much of that the backup took: journals in, seconds out. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from rollout.journal import Record
from rollout.model import Scope

BACKUP = "backup."  # how the ids of the steps begin that take a backup; a test keeps that


@dataclass(frozen=True)
class Down:
    """How long st2 was down on `host` in a run, in whole seconds of that host's clock; `backup_s` of them for the backup."""

    host: str
    downtime_s: int = 0
    backup_s: int = 0


@dataclass
class _Stop:
    """A stop that is under way: since when, and what the backup took meanwhile, by who worked side by side."""

    since: int
    begun: dict[tuple[str, str, int], int] = field(default_factory=dict)
    own: int = 0
    shared: dict[str, int] = field(default_factory=dict)

    def backup(self, record: Record) -> None:
        """Take a RECORD of a step of the backup in."""
        key = (record.step, record.host, record.attempt)
        if record.event == "started":
            self.begun[key] = record.at
        elif record.event == "finished" and key in self.begun:
            seconds = max(0, record.at - self.begun.pop(key))
            if record.scope == Scope.DEPLOYMENT.value:
                self.shared[record.host] = self.shared.get(record.host, 0) + seconds
            else:
                self.own += seconds


def downtimes(journals: Mapping[str, Iterable[Record]], run: str) -> tuple[Down, ...]:
    """How long st2 was down on each host of JOURNALS in RUN, whichever controllers worked on it."""
    return tuple(downtime(host, records, run) for host, records in journals.items())


def longest(downs: Iterable[Down]) -> Down:
    """The one of DOWNS that stands for its deployment: that of the host that was down longest."""
    return max(downs, key=lambda each: each.downtime_s, default=Down(""))


def downtime(host: str, records: Iterable[Record], run: str) -> Down:
    """From the first stop to the start on HOST, over all hops of RUN; a stop that is still open does not count.

    Of the backup are the steps that ended during the stop: the host's own, and those that ran once for the deployment, on
    whatever host; of several hosts the longest counts, as they work side by side. What was cut off and has no end is not
    counted. A record that was copied has the clock of the host that wrote it, so what lies in a stop is told by the order
    of the lines, and no two clocks are compared.
    """
    stop, total, backup = None, 0, 0
    for record in (each for each in records if each.run == run):
        step = record.step.partition(":")[2]
        if stop is None:
            stop = _Stop(record.at) if (record.event, step) == ("started", "stop.units") else None
        elif step.startswith(BACKUP):
            stop.backup(record)
        elif (record.event, step, record.code) == ("finished", "start.units", 0):
            seconds = max(0, record.at - stop.since)
            backup += min(seconds, stop.own + max(stop.shared.values(), default=0))
            stop, total = None, total + seconds
    return Down(host, total, backup)
