"""Which upgrade a way back undoes, and how far that got, by the journals of its hosts. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

from rollout import journal
from rollout.errors import PlanRefused
from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import Before, Deployment, UnitState

Hosts = Mapping[str, Facts]
# Beside the steps of releases, which begin with a digit.
REWRITING = ("mistral.drop", "mistral.upgrade", "mistral.populate", "config.register-all", "start.units")


@dataclass(frozen=True)
class Undone:
    """A run that is to be undone.

    hop      its first hop, of which the backup is that of `origin`
    opened   its `opened` records by host: what each was before
    touched  the hosts whose packages were begun with: their way back needs the backup
    rewrote  True when a step that rewrites a database, or a start of st2, was begun since, by whatever run: from there on it
             needs the dumps
    """

    run: str
    origin: str
    target: str
    hop: str
    opened: Mapping[str, Record]
    touched: tuple[str, ...]
    rewrote: bool
    open: bool

    @property
    def before(self) -> dict[str, Before]:
        """Each host as the run found it."""
        return {host: _before(record) for host, record in self.opened.items()}


def undone(deployment: Deployment, facts: Hosts, run: str = "") -> Undone:
    """The upgrade RUN of DEPLOYMENT, or the newest. Raises PlanRefused where there is none, or it was rolled back already."""
    records = {host: each.journal for host, each in facts.items()}
    runs = [each for known in records.values() for each in known if _is_upgrade(each) and run in ("", each.run)]
    if not runs:
        what = f"no upgrade {run} is" if run else "no upgrade is"
        raise PlanRefused(
            f"{deployment.name}: {what} in its journals, so there is nothing to roll back",
            f"a backup is put back by: invoke backup.restore --hosts {deployment.name}",
        )
    newest = max(runs, key=lambda each: each.at).run
    opened = {
        host: each for host, known in records.items() for each in known if _is_upgrade(each) and each.run == newest
    }
    first = next(iter(opened.values()))
    _refuse_older(deployment, records, first, newest)
    still = any((found := journal.open_run(known)) and found.run == newest for known in records.values())
    begun = [r for known in records.values() for r in known if r.run == newest and r.event == "started"]
    first_step = min(begun, key=lambda each: each.at).step if begun else ""
    # Of other runs as well: a repair or a start meanwhile rewrites the same databases.
    since = [r for known in records.values() for r in known if r.event == "started" and r.at >= first.at]
    steps = {each.step.partition(":")[2] for each in since}
    changed = {each.host for each in begun if each.step.endswith(":packages.set")}
    return Undone(
        newest,
        str(first.data["from"]),
        str(first.data["to"]),
        first_step.partition(":")[0].partition("@")[0],
        opened,
        touched=tuple(host for host in facts if host in changed),
        rewrote=any(step in REWRITING or step[0].isdigit() for step in steps),
        open=still,
    )


def _is_upgrade(record: Record) -> bool:
    return record.event == "opened" and record.data.get("command") == "upgrade"


def _refuse_older(deployment: Deployment, records: Mapping[str, tuple[Record, ...]], first: Record, run: str) -> None:
    """What came after the run stands on it: its backup is older than the release that was settled later."""
    undone_too = {str(r.data["rolled_back"]) for known in records.values() for r in known if "rolled_back" in r.data}
    for known in records.values():
        later = [r for r in known if r.at >= first.at]
        if run in undone_too:
            raise PlanRefused(f"{deployment.name}: run {run} was rolled back already", "nothing to do")
        if other := next((r for r in later if _is_upgrade(r) and r.run not in (run, *undone_too)), None):
            raise PlanRefused(
                f"{deployment.name}: run {other.run} came after run {run} and stands on it",
                f"undo that one first: invoke rollback --hosts {deployment.name} --run {other.run}",
            )
        if any(_by_hand(r, run, str(first.data["to"])) for r in later):
            raise PlanRefused(
                f"{deployment.name}: after run {run} st2 was upgraded by hand, and what was done since is not known",
                f"a backup is put back by: invoke backup.restore --hosts {deployment.name} --backup {run}",
            )


def _by_hand(record: Record, run: str, release: str) -> bool:
    """True for a baseline that abandoned RUN, or that settled another release than RUN did."""
    if not record.data.get("baseline"):
        return False
    return (record.event, record.run) == ("abandoned", run) or (
        record.event == "settled" and record.data.get("release") != release
    )


def _before(record: Record) -> Before:
    kept = record.data.get("before") or {}
    units = {
        name: UnitState(str(each.get("active")), str(each.get("enabled")))
        for name, each in kept.get("units", {}).items()
    }
    return Before(units, dict(kept.get("packages", {})))
