"""How much room a backup needs and how long it takes, before it is taken. Pure: sizes and earlier backups in, numbers out."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol

from rollout import durations
from rollout.facts import MUTE, Facts, mistral_host, store_host
from rollout.text import duration

FILES, MISTRAL, STORE, SEAL = "files", "mistral", "store", "seal"
_FILE_OF = {FILES: "files.tar", MISTRAL: "mistral.dump", STORE: "store.archive"}
# What the journal, the plan and a step's log may need on top.
_MARGIN = 16 << 20


class Taken(Protocol):
    """An earlier backup as it lies on one host."""

    @property
    def at(self) -> float:
        """When it was made, in seconds since 1970."""

    @property
    def wrong(self) -> str:
        """Why it is none, or ""."""

    @property
    def files(self) -> Mapping[str, int]:
        """Its files there, and their bytes."""

    @property
    def seconds(self) -> Mapping[str, float]:
        """How long its parts took."""


@dataclass(frozen=True)
class Sizes:
    """What a backup is to hold on one host, in bytes, as it lies there; None where nobody could look, 0 where there is none.

    files    what files.tar will hold
    mistral  the database's size, as PostgreSQL tells it, on the host that dumps it
    store    the documents' size uncompressed (dataSize of dbStats) on the host that dumps them: MongoDB keeps them compressed,
             its dump does not
    """

    files: int | None = 0
    mistral: int | None = 0
    store: int | None = 0


def sizes_of(facts: Mapping[str, Facts]) -> dict[str, Sizes]:
    """The sizes that FACTS tell."""
    of_mistral, of_store = mistral_host(facts), store_host(facts)
    found = {}
    for name, each in facts.items():
        asked = each.mistral.size if each.mistral and each.mistral.state not in MUTE else None
        stored = each.store.size if each.store and not each.store.cause else None
        found[name] = Sizes(
            files=None,
            mistral=asked if name == of_mistral else 0,
            store=stored if name == of_store else 0,
        )
    return found


@dataclass(frozen=True)
class Need:
    """The room that one host needs for a backup, in bytes: at most, as far as sizes are known, and what the last one took.

    unknown  the parts whose size nobody knows: they are in neither number
    """

    at_most: int
    last: int = 0
    unknown: tuple[str, ...] = ()


@dataclass(frozen=True)
class Estimate:
    """A backup before it is taken: the room it needs on each host, its seconds, those of them that st2 waits for where it is
    taken in a stop, and what the seconds rest on."""

    needs: Mapping[str, Need]
    seconds: int
    stopped_s: int
    basis: str


def estimate(sizes: Mapping[str, Sizes], earlier: Mapping[str, Iterable[Taken]], external: bool = False) -> Estimate:
    """What a backup of the hosts in SIZES needs, from the EARLIER ones that lie on them; EXTERNAL leaves the databases out."""
    wanted = {name: Sizes(each.files, 0, 0) if external else each for name, each in sizes.items()}
    last = {name: _newest(earlier.get(name, ())) for name in wanted}
    took = {name: _seconds(name, each, last) for name, each in wanted.items()}
    # Hosts work side by side; on one of them its parts come one after the other.
    before = max((each[FILES] or 0 for each in took.values()), default=0)
    stopped = max((sum(each[part] or 0 for part in each if part != FILES) for each in took.values()), default=0)
    return Estimate(
        needs={name: _need(each, last[name]) for name, each in wanted.items()},
        seconds=round(before + stopped),
        stopped_s=round(stopped),
        basis=_basis(took, last),
    )


def _newest(backups: Iterable[Taken]) -> Taken | None:
    return max((each for each in backups if not each.wrong and each.seconds), key=lambda each: each.at, default=None)


def _parts(sizes: Sizes) -> dict[str, int | None]:
    found = {FILES: sizes.files, MISTRAL: sizes.mistral, STORE: sizes.store}
    return {part: size for part, size in found.items() if part == FILES or size != 0}


def _need(sizes: Sizes, last: Taken | None) -> Need:
    parts = _parts(sizes)
    if last and parts[FILES] is None:  # it hardly grows, other than databases
        parts[FILES] = last.files.get(_FILE_OF[FILES])
    # Configuration that changed meanwhile is copied again, beside the copy that is there; a dump is written once, and is
    # smaller than its database: compressed, and without its indexes.
    at_most = _MARGIN + sum((size or 0) * (2 if part == FILES else 1) for part, size in parts.items())
    before = sum(last.files.get(_FILE_OF[part], 0) for part in parts) if last else 0
    return Need(at_most, before, tuple(part for part, size in parts.items() if size is None))


def _seconds(host: str, sizes: Sizes, last: Mapping[str, Taken | None]) -> dict[str, float | None]:
    """Seconds by part on HOST: as they were there, else the longest of the other hosts, else as in the lab, else unknown."""
    return {
        part: _as_before(part, host, last) or durations.LAB.get(f"backup.{part}") for part in (*_parts(sizes), SEAL)
    }


def _as_before(part: str, host: str, last: Mapping[str, Taken | None]) -> float:
    own = last[host]
    if own and part in own.seconds:
        return own.seconds[part]
    return max((each.seconds.get(part, 0.0) for each in last.values() if each), default=0.0)


def _basis(took: Mapping[str, Mapping[str, float | None]], last: Mapping[str, Taken | None]) -> str:
    parts = {part: seconds for each in took.values() for part, seconds in each.items()}
    known = [part for part in parts if any(each and part in each.seconds for each in last.values())]
    of_lab = [part for part in parts if part not in known and parts[part] is not None]
    unknown = [part for part in parts if part not in known and parts[part] is None]
    said = ["as the last backup took here"] if known else []
    said += [f"{', '.join(of_lab)} as in a lab with small databases"] if of_lab else []
    said += [f"not counted, as nobody has measured it: {', '.join(unknown)}"] if unknown else []
    return "; ".join(said)


def text(found: Estimate, free: Mapping[str, int] | None = None) -> tuple[str, ...]:
    """FOUND in lines for a person; FREE is the room on each host, in bytes, where it is known."""
    lines = [_line(name, need, (free or {}).get(name)) for name, need in found.needs.items()]
    seconds = duration(found.seconds)
    waits = f", {duration(found.stopped_s)} of it in the stop where there is one" if found.stopped_s else ""
    return (*lines, f"the backup takes about {seconds}{waits}. An estimate: {found.basis}")


def _line(name: str, need: Need, free: int | None) -> str:
    said = f"the backup needs at most {_mib(need.at_most)} on {name}"
    said += f" ({_mib(free)} free)" if free is not None else ""
    said += f"; the last one has {_mib(need.last)}" if need.last else ""
    return said + (f"; not counted, as its size is not known: {', '.join(need.unknown)}" if need.unknown else "")


def _mib(count: int) -> str:
    return f"{count / (1 << 30):.1f} GiB" if count >= 10 << 30 else f"{max(1, round(count / (1 << 20)))} MiB"


def short(found: Estimate, free: Mapping[str, int]) -> dict[str, int]:
    """The hosts without room for it, and how many bytes they lack; one whose room is not known is not among them."""
    return {
        name: need.at_most - free[name]
        for name, need in found.needs.items()
        if name in free and free[name] < need.at_most
    }
