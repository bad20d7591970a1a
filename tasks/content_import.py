"""Give what an archive holds to an instance: what is to be written is decided from both sides, and written under the lock."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from rollout.codec import canonical
from rollout.content.compare import Comparison, Prints, What, group, listed
from rollout.content.convert import Target, left, written
from rollout.content.items import Identity, Item, shown
from rollout.errors import Inhibited, PlanRefused, StepFailed
from rollout.journal import VERSION as JOURNAL_VERSION
from tasks.content_sides import AGAIN, Place, Side, each_part, of_host
from tasks.edge import VERSION, Desk

if TYPE_CHECKING:
    from remote.host import Pour, RemoteHost
    from tasks.content_archive import Archive

COLLISIONS = ("stop", "keep", "replace")
_APPLIED = "@stormlift-applied "
_BUFFER = 1 << 15
_SHOWN = 20


@dataclass(frozen=True)
class Decision:
    """What an import does: items that are `new` are written, `collisions` are kept as they are there or replaced.

    `there` is what it was decided from.
    """

    comparison: Comparison
    collisions: str
    there: Prints = field(default_factory=dict)

    @property
    def new(self) -> tuple[Identity, ...]:
        """Those that the instance does not have."""
        return self.comparison.of(What.MISSING)

    @property
    def differing(self) -> tuple[Identity, ...]:
        """Those that it has otherwise."""
        return self.comparison.of(What.DIFFERS, What.EXPIRY)

    @property
    def replaced(self) -> frozenset[Identity]:
        """Those that are written over."""
        return frozenset(self.differing) if self.collisions == "replace" else frozenset()

    @property
    def chosen(self) -> frozenset[Identity]:
        """All that is written."""
        return frozenset(self.new) | self.replaced


def refuse(decision: Decision, side: Side, target: Target) -> None:
    """Raise PlanRefused for what the release cannot hold, and Inhibited for collisions that nobody has decided."""
    if side.lost:
        first, why = next(iter(side.lost.items()))
        raise PlanRefused(
            f"{len(side.lost)} items cannot be in st2 {target.release}: {first}: {why}", "import into a later release"
        )
    if decision.differing and decision.collisions == "stop":
        raise Inhibited(
            f"{len(decision.differing)} items are there already and differ: {'; '.join(listed(decision.differing))}",
            "decide for all of them: --collisions keep, or --collisions replace",
        )


def told(decision: Decision, side: Side, names: Prints) -> list[str]:
    """The decision in lines for a person."""
    lines = []
    for what in sorted({group(each) for each in names}):
        mine = [each for each in names if group(each) == what]
        new = sum(1 for each in mine if decision.comparison.found[each] is What.MISSING)
        same = sum(1 for each in mine if decision.comparison.found[each] is What.SAME)
        other = sum(1 for each in mine if decision.comparison.found[each] in (What.DIFFERS, What.EXPIRY))
        lines.append(f"  {what}: {len(mine)}, of them {new} new, {same} there already, {other} there and different")
    if decision.differing:
        does = {"keep": "kept as they are there", "replace": "replaced", "stop": "not decided: --collisions"}
        lines.append(f"  different, {does[decision.collisions]}:")
        lines += [f"    {each}" for each in listed(decision.differing)]
    return [*lines, *remarks(side)]


def remarks(side: Side) -> list[str]:
    """What is to be said of the side that content comes from."""
    lines = []
    if side.expired:
        lines.append(f"  {side.expired} keys have expired and stay behind")
    if side.stale:
        lines.append(
            f"  {len(side.stale)} keys stood under a form that st2 {side.release} does not read; they come as they were meant:"
        )
        lines += [f"    {each}" for each in listed(side.stale)]
    hidden = f"  hidden behind a key of the same name in the form that st2 {side.release} reads, and left"
    for words, found in ((hidden, side.shadowed), ("  what no instance could take, so left", side.odd)):
        if found.count:
            lines.append(f"{words}: {found.count}")
            lines += [f"    {shown(each)}" for each in found.names[:_SHOWN]]
    return lines


# --- written -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Applied:
    """What the host wrote, by kind; how many it could not, and the first of those with why."""

    written: dict[str, int]
    failures: int = 0
    told: list[dict[str, str]] = field(default_factory=list)


def apply(sitting: Desk, place: Place, archive: "Archive", decision: Decision, run: str) -> Applied:
    """Write what DECISION chose, under the lock of the deployment. Raises Locked, StepFailed, Unreachable.

    Whatever interrupts it, the same command finds what is written and goes on with the rest.
    """
    from remote.fleet import reached
    from remote.lock import DeploymentLock

    links = reached(sitting.fleet, [host.name for host in place.deployment.hosts])
    fence = 1 + max(each.fence for each in place.facts.values())
    me = sitting.me(run, "")
    with DeploymentLock(place.deployment.name, links, me, "content.import", archive.about.id, fence, sitting.say):
        link, auth = links[place.host.name], sitting.fleet.auth(place.host)
        refuse_moved(place, decision, of_host(link, place, Target(place.release), _salt(archive), new=True))
        _record(links.values(), sitting, place, archive, run, "content-begun", {})
        said = link.deliver(_poured(archive, decision, Target(place.release)), "move", "apply", link.token, given=auth)
        found = _read(link.name, said)
        data = {"written": found.written, "failures": found.failures}
        _record(links.values(), sitting, place, archive, run, "content-written", data)
    return found


def refuse_moved(place: Place, decision: Decision, there: Side) -> None:
    """Raise Inhibited where what DECISION was made from is no more so: an import overwrites nothing that was not shown."""

    def digest(prints: Prints, each: Identity) -> bytes | None:
        return (
            prints[each].digest if each in prints else None
        )  # expiries are read by two clocks, and never quite the same

    moved = sorted(each for each in decision.chosen if digest(decision.there, each) != digest(there.prints, each))
    if moved:
        names = "; ".join(listed(moved))
        raise Inhibited(
            f"{place.deployment.name}: {len(moved)} items have changed there since they were compared: {names}",
            f"{AGAIN} compares anew",
        )


def _salt(archive: "Archive") -> bytes:
    return bytes.fromhex(archive.manifest.salt)


def _record(
    links: Iterable["RemoteHost"],
    sitting: Desk,
    place: Place,
    archive: "Archive",
    run: str,
    event: str,
    data: dict[str, Any],
) -> None:
    """Have it in the journal of every host: who wrote what, from which archive."""
    known = {"v": JOURNAL_VERSION, "run": run, "event": event, "at": int(time.time()), "by": sitting.by}
    about = {"archive": archive.about.id, "of": archive.about.deployment, "through": place.host.name, **data}
    line = canonical({**known, "deployment": place.deployment.name, "tool": f"stormlift {VERSION}", "data": about})
    for link in links:
        link.record([line])


def _poured(archive: "Archive", decision: Decision, target: Target) -> "Pour":
    """What sends the chosen items, in blocks; an archive that is not what was written ends it with an error."""
    chosen, replaced = decision.chosen, decision.replaced

    def pour(give: Any) -> None:
        count, buffer, now = 0, bytearray(), time.time()

        def line(data: dict[str, Any]) -> None:
            nonlocal buffer
            buffer += json.dumps(data).encode("ascii") + b"\n"
            if len(buffer) >= _BUFFER:
                give(bytes(buffer))
                buffer = bytearray()

        def take(item: Item, skew: float) -> None:
            nonlocal count
            # Of the moment in which this began: the host knows how long ago that is when it writes.
            expires = None if item.expires is None else item.expires + skew
            seconds = left(expires, now)
            if item.identity in chosen and (seconds is None or seconds > 0):
                line(written(item, target, expires, now, replace=item.identity in replaced))
                count += 1

        for _ in each_part(archive, take):
            pass
        line({"kind": "end", "records": count})
        give(bytes(buffer))

    return pour


def _read(host: str, said: list[str]) -> Applied:
    for line in said:
        if line.startswith(_APPLIED):
            try:
                found = json.loads(line.removeprefix(_APPLIED))
                return Applied(dict(found["written"]), int(found["failures"]), list(found["told"]))
            except (ValueError, KeyError, TypeError):
                break
    raise StepFailed(f"{host}: it did not say what it has written", AGAIN, host=host)


def refuse_failures(place: Place, found: Applied) -> None:
    """Raise StepFailed for what the host could not write."""
    if not found.failures:
        return
    first = [f"{_name(each)}: {each.get('why')}" for each in found.told]
    more = f"; and {found.failures - len(first)} more" if found.failures > len(first) else ""
    raise StepFailed(
        f"{place.host.name}: {found.failures} items could not be written: {'; '.join(first)}{more}",
        f"settle what the API says, then {AGAIN}: what is written is not written again",
        host=place.host.name,
    )


def _name(each: dict[str, str]) -> str:
    return str(
        Identity(
            each.get("kind", ""), each.get("name", ""), each.get("scope", "").rpartition(".")[2], each.get("user", "")
        )
    )
