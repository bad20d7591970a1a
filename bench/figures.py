"""What a measurement of downtime adds up to: changes in, windows, medians and ratios out. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

SERVES = ("api", "auth", "stream")
EVERYTHING = (*SERVES, "units")


class Unfinished(Exception):
    """st2 was not seen to serve, at the begin or at the end."""


@dataclass(frozen=True)
class Change:
    """Something began to be up, or ceased to be, AT a second of the host's clock."""

    what: str
    up: bool
    at: float


def windows(changes: Iterable[Change]) -> tuple[tuple[float, float], ...]:
    """From when to when st2 was down: from the first of API, auth and stream that does not answer, until all three answer
    and all units that ran before are active. Raises Unfinished."""
    now: dict[str, bool] = {}
    found: list[tuple[float, float]] = []
    since: float | None = None
    seen = False
    for change in sorted(changes, key=lambda each: each.at):
        now[change.what] = change.up
        whole = all(now.get(each) for each in EVERYTHING)
        seen = seen or whole
        if seen and since is None and not all(now.get(each) for each in SERVES):
            since = change.at
        elif since is not None and whole:
            found.append((since, change.at))
            since = None
    if not seen or since is not None:
        raise Unfinished("st2 never served" if not seen else "st2 does not serve at the end")
    return tuple(found)


@dataclass(frozen=True)
class Measured:
    """One upgrade, in seconds: `down_s` the first time that st2 was down, `all_s` with what followed it (a restart), `took_s`
    the whole command; `said_s` and `said_backup_s` are what the command itself says of its downtime, where it does."""

    down_s: float
    all_s: float
    took_s: float
    said_s: int | None = None
    said_backup_s: int | None = None


def measured(changes: Iterable[Change], took_s: float, said: tuple[int, int] | None = None) -> Measured:
    """What CHANGES, seen during an upgrade, say of it. Raises Unfinished; also when st2 was never down."""
    found = [end - begin for begin, end in windows(changes)]
    if not found:
        raise Unfinished("st2 was never down: nothing was upgraded")
    told = said or (None, None)
    return Measured(round(found[0], 3), round(sum(found), 3), round(took_s, 3), *told)


@dataclass(frozen=True)
class Round:
    """Both ways on one host, each from a fresh copy of it; `first` is the one that went first."""

    run: str
    commit: str
    number: int
    host: str
    delay_s: float
    backup: bool
    first: str
    script: Measured
    stormlift: Measured

    def to_json(self) -> dict[str, Any]:
        """The round as a line that is kept."""
        return {"schema": "stormlift.bench-downtime/1", **asdict(self)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Round":
        """The round that to_json gave DATA of."""
        values = {key: value for key, value in data.items() if key != "schema"}
        for name in ("script", "stormlift"):
            values[name] = Measured(**values[name])
        return cls(**values)


Setting = tuple[float, bool]


def newest(rounds: Iterable[Round]) -> dict[Setting, tuple[Round, ...]]:
    """The rounds on the newest commit for each setting (seconds a package, with backup), settings in order.

    Runs on one commit count together: each measures both ways in turn, and two of them may go side by side.
    """
    found: dict[Setting, list[Round]] = {}
    for each in rounds:
        group = found.setdefault((each.delay_s, each.backup), [])
        if group and group[-1].commit != each.commit:
            group.clear()
        group.append(each)
    order = sorted(found, key=lambda setting: (-setting[0], not setting[1]))
    return {setting: tuple(found[setting]) for setting in order}


@dataclass(frozen=True)
class Figure:
    """A median and how far the rounds lie apart, in seconds."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.1f} ({self.low:.1f}-{self.high:.1f})"


def figure(values: Sequence[float]) -> Figure:
    """The figure of VALUES, of which there is at least one."""
    return Figure(median(values), min(values), max(values))


def ratio(rounds: Sequence[Round]) -> float:
    """The median downtime of stormlift by that of the script."""
    return median(each.stormlift.down_s for each in rounds) / median(each.script.down_s for each in rounds)
