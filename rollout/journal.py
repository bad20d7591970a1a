"""The journal: its lines, what they add up to, and what an interrupted step needs. Reading only; hosts write it.

One line is one fact, as JSON with "v": 1. Lines are only ever appended; a torn last line counts as not written.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollout.codec import Malformed, decode
from rollout.model import Kind, Repeat, Scope, Step

VERSION = 1
TORN = " #torn"  # what a host appends to a line that was cut off, before it writes the next


@dataclass(frozen=True)
class Record:
    """One fact of the journal.

    event   opened, started, finished, settled, closed or abandoned
    at      seconds since 1970 by the clock of the host that wrote it
    host    where the step ran (a deployment's record is copied to all of its hosts)
    digest  SHA-256 of what ran; of the plan for `opened`
    code    exit code, for `finished`; 0 with data.proved means: not run again, its postcondition held
    """

    v: int
    run: str
    event: str
    at: int = 0
    deployment: str = ""
    host: str = ""
    scope: str = Scope.HOST.value
    step: str = ""
    attempt: int = 0
    code: int = 0
    digest: str = ""
    by: str = ""
    tool: str = ""
    fence: int = 0
    data: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StepStatus:
    """What the journal knows of one step on one host: `state` is none, done, failed or interrupted."""

    state: str = "none"
    attempts: int = 0
    code: int = 0


def parse(text: str) -> tuple[Record, ...]:
    """Read a journal's text. A torn last line is left out; any other bad line raises Malformed with its number."""
    lines = text.split("\n")
    records = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if line.endswith(TORN):
            records += _rescued(line.removesuffix(TORN), number)
            continue
        try:
            records.append(_record(line, number))
        except Malformed:
            if number < len(lines):
                raise
    return tuple(records)


def _rescued(line: str, number: int) -> list[Record]:
    """The record of a line that lacked only its end; nothing when more of it was lost."""
    try:
        return [_record(line, number)]
    except Malformed:
        return []


def _record(line: str, number: int) -> Record:
    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        raise Malformed(f"journal line {number}: not JSON") from None
    record = decode(Record, data, f"journal line {number}")
    if record.v != VERSION:
        raise Malformed(f"journal line {number}: version {record.v}, this tool reads {VERSION}")
    return record


def settled(records: Iterable[Record]) -> str:
    """The release that the journal settled last, or "" when it never settled one."""
    latest = ""
    for record in records:
        if record.event == "settled":
            latest = str(record.data.get("release", ""))
    return latest


def open_run(records: Iterable[Record], command: str = "upgrade") -> Record | None:
    """The `opened` record of the newest run of COMMAND that was neither closed nor abandoned."""
    opened: dict[str, Record] = {}
    for record in records:
        if record.event == "opened" and record.data.get("command") == command:
            opened[record.run] = record
        elif record.event in ("closed", "abandoned"):
            opened.pop(record.run, None)
    return list(opened.values())[-1] if opened else None


BACK = ("rollback", "backup.restore")


def going_back(records: Iterable[Record]) -> Record | None:
    """The `opened` record of a run that takes its deployment back and is not through."""
    known = tuple(records)
    return next((found for command in BACK if (found := open_run(known, command))), None)


def status(records: Iterable[Record], run: str, step: str) -> StepStatus:
    """What RECORDS say of STEP in RUN."""
    state, attempts, code = "none", 0, 0
    for record in records:
        if record.run != run or record.step != step:
            continue
        if record.event == "started":
            state, attempts = "interrupted", max(attempts, record.attempt)
        elif record.event == "finished":
            state, code = ("done" if record.code == 0 else "failed"), record.code
            attempts = max(attempts, record.attempt)
    return StepStatus(state, attempts, code)


@dataclass(frozen=True)
class Todo:
    """A step that a host is to run now: which attempt it is, and whether its postcondition is asked first.

    `unended`: the attempt before was begun, and the journal does not say how it ended.
    """

    step: Step
    attempt: int
    prove_first: bool = False
    unended: bool = False


def decide(key: str, step: Step, run: str, records: Iterable[Record]) -> Todo | str | None:
    """What to do with STEP (journalled as KEY): a Todo, None when it is done, or a question for the operator.

    A finished step never runs again; a failed one is tried again; an interrupted one goes by its repeat class.
    A check that was passed is asked again: it says something about now.
    """
    known = status(records, run, key)
    if known.state == "done" and step.kind is not Kind.CHECK:
        return None
    unended = known.state == "interrupted"
    if unended and step.kind is Kind.RUN and step.repeat is Repeat.ASK:
        return f"{step.title} was interrupted, and whether it took effect cannot be told from here"
    prove_first = unended and step.kind is Kind.RUN and step.repeat is Repeat.PROBE
    return Todo(step, known.attempts + 1, prove_first, unended)


def merged(journals: Mapping[str, Iterable[Record]]) -> tuple[Record, ...]:
    """The deployment-scope records of all hosts, each once: a copy that is missing on one host still counts."""
    seen: dict[str, Record] = {}
    for records in journals.values():
        for record in records:
            if record.scope == Scope.DEPLOYMENT.value:
                seen.setdefault(f"{record.run}/{record.event}/{record.step}/{record.attempt}/{record.host}", record)
    return tuple(seen.values())


def disagreement(journals: Mapping[str, Iterable[Record]]) -> str:
    """A sentence when hosts of one deployment settled different releases or hold different open runs, else ""."""
    at = {host: settled(records) for host, records in journals.items()}
    if len(set(filter(None, at.values()))) > 1:
        return "their journals settled different releases: " + ", ".join(f"{h} {r or 'none'}" for h, r in at.items())
    runs = {host: opened.run for host, records in journals.items() if (opened := open_run(records))}
    if len(set(runs.values())) > 1:
        return "their journals hold different open runs: " + ", ".join(f"{h} {r}" for h, r in runs.items())
    return ""
