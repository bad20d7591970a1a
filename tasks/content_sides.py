"""The sides of a roll-over: an instance that is asked over SSH, or an archive of one; as prints that can be compared."""

import time
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rollout import journal
from rollout.codec import Malformed
from rollout.content.compare import Prints
from rollout.content.convert import Target, comparable, lost
from rollout.content.items import ApiKey, Identity, Item, Key, print_of
from rollout.content.stream import End, Named, Reader, passing
from rollout.errors import PlanRefused, StepFailed
from rollout.facts import Facts
from rollout.model import Deployment, Host
from tasks.edge import Desk

if TYPE_CHECKING:
    from remote.host import RemoteHost
    from tasks.content_archive import Archive

PARTS = ("keys", "apikeys")
Take = Callable[[Item, float], None]
AGAIN = "the same command again"


@dataclass
class Side:
    """What one side has, and what it has to tell: which items the other side's release cannot hold, which are stale, what
    expired before it was read, stands in the shadow of another key, or is odd; whose the API keys are.

    Of a `new` side what is stale does not count: its st2 does not see it.
    """

    name: str
    release: str
    new: bool = False
    prints: Prints = field(default_factory=dict)
    lost: dict[Identity, str] = field(default_factory=dict)
    stale: list[Identity] = field(default_factory=list)
    expired: int = 0
    shadowed: Named = field(default_factory=Named)
    odd: Named = field(default_factory=Named)
    owners: set[str] = field(default_factory=set)

    def take(self, item: Item, target: Target, salt: bytes, skew: float) -> None:
        """Add ITEM, as an instance of TARGET would give it back; SKEW is the controller's clock less the host's."""
        identity = item.identity
        if identity in self.prints:
            raise Malformed(f"{self.name}: {identity} comes twice")
        if isinstance(item, Key) and item.stale:
            self.stale.append(identity)
            if self.new:
                return
        if why := lost(item, target):
            self.lost[identity] = why
        if isinstance(item, ApiKey):
            self.owners.add(item.user)
        expires = None if item.expires is None else item.expires + skew
        self.prints[identity] = print_of(comparable(item, target), salt, expires)

    def tell(self, end: End) -> None:
        """Add what the end of a part tells."""
        self.expired += end.expired
        self.shadowed, self.odd = joined(self.shadowed, end.shadowed), joined(self.odd, end.odd)


def joined(one: Named, other: Named) -> Named:
    """The names of both parts of a side."""
    return Named((*one.names, *other.names), one.count + other.count)


@dataclass(frozen=True)
class Place:
    """The host of a deployment that is asked, or written through, and the facts of all of them."""

    deployment: Deployment
    host: Host
    facts: dict[str, Facts]

    @property
    def release(self) -> str:
        """The st2 release that is installed there."""
        return self.facts[self.host.name].release


def places(sitting: Desk, *several: str) -> list[Place]:
    """Where each of SEVERAL flags leads, which must name one deployment. Raises UsageError, PlanRefused."""
    found = []
    for selection in sitting.select_each(*several, whole=True):
        if len(selection.deployments) > 1:
            names = ", ".join(each.name for each in selection.deployments)
            raise PlanRefused(
                f"content moves from one instance to one: {names} are named", "name one of them: --hosts NAME"
            )
        found.append(placed(sitting, selection.deployments[0]))
    return found


def placed(sitting: Desk, deployment: Deployment) -> Place:
    """Where DEPLOYMENT is asked. Raises PlanRefused: no st2 there."""
    facts = sitting.fleet.facts(deployment.hosts, evidence=False)
    able = [host for host in deployment.hosts if "st2" in facts[host.name].installed]
    if not able:
        raise PlanRefused(
            f"{deployment.name}: st2 is installed on none of its hosts", "name a deployment with st2 on it"
        )
    serving = [host for host in able if "st2api" in facts[host.name].active()]
    return Place(deployment, (serving or able)[0], facts)


def refuse_while_open(place: Place) -> None:
    """Raise PlanRefused while an upgrade or a way back of PLACE is not through: its keys may be half migrated."""
    for each in place.facts.values():
        opened = journal.open_run(each.journal) or journal.going_back(each.journal)
        if opened:
            command = opened.data.get("command", "upgrade")
            raise PlanRefused(
                f"{place.deployment.name}: {command} is not through (run {opened.run})",
                f"finish it first: invoke {command} --hosts {place.deployment.name}",
            )


def of_host(link: "RemoteHost", place: Place, target: Target, salt: bytes, *, new: bool = False) -> Side:
    """What the instance of PLACE has now. Raises Unreachable, StepFailed."""
    side = Side(place.deployment.name, place.release, new)
    skew: list[float] = []

    def take(item: Item) -> None:
        if not skew:
            assert reader.head is not None
            skew.append(time.time() - reader.head.at)
        side.take(item, target, salt, skew[0])

    reader = Reader(take, link.name)
    try:
        with closing(link.stream("move", "read", *PARTS)) as blocks:
            for _ in passing(blocks, reader):
                pass
        side.tell(reader.finish())
    except Malformed as error:
        raise StepFailed(str(error), AGAIN, host=link.name) from None
    except StepFailed as error:
        error.hint = error.hint or f"settle that on {link.name}, then {AGAIN}"
        raise
    return side


def of_archive(archive: "Archive", target: Target, salt: bytes) -> Side:
    """What ARCHIVE holds, but for keys that have expired since. Raises StepFailed where it is not what was written."""
    side, now = Side(archive.about.deployment, archive.about.release), time.time()

    def take(item: Item, skew: float) -> None:
        if item.expires is not None and item.expires + skew <= now:
            side.expired += 1
            return
        side.take(item, target, salt, skew)

    for end in each_part(archive, take):
        side.tell(end)
    return side


def each_part(archive: "Archive", take: Take) -> Iterable[End]:
    """Give every item of ARCHIVE to TAKE, with the skew of the host that it came from; the end of each part is given back.

    Raises StepFailed: a part is not what an export writes.
    """
    for name in PARTS:
        about = archive.manifest.parts[name].about
        skew = float(about.get("skew", 0.0))
        reader = Reader(lambda item, skew=skew: take(item, skew), f"{archive.path}: {name}")  # type: ignore[misc]
        try:
            archive.pour(name, reader.feed)
            end = reader.finish()
        except Malformed as error:
            raise StepFailed(str(error), "export again, into another folder") from None
        yield end
