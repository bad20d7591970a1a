"""One deployment in memory as it really is: packages, units, processes, one Mistral database, one datastore.

Not nicer than the lab: a mistral that starts on an old database makes the tables of its code and so breaks it, a package
that was cut off is half there, rpm's scripts restart what runs, a reboot brings back whatever is enabled and not held.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from rollout import catalogue
from rollout.facts import MistralFacts, Session
from rollout.model import UnitState
from rollout.versions import PackageVersion, order
from tests.pure.boxes import units, version

EARLY_ROWS = "action_executions_v2"


@dataclass
class Box:
    """One host. `alive` are the units whose processes live, `strays` processes that no unit knows of."""

    name: str
    family: str
    installed: dict[str, str]
    enabled: set[str] = field(default_factory=set)
    alive: set[str] = field(default_factory=set)
    strays: set[str] = field(default_factory=set)
    held: set[str] = field(default_factory=set)
    hold: str = ""
    half_configured: bool = False

    def release(self, package: str) -> str:
        """The release of PACKAGE that is installed, or ""."""
        return PackageVersion.parse(self.installed[package]).release if package in self.installed else ""

    @property
    def known(self) -> tuple[str, ...]:
        """The units that the installed packages bring."""
        at = max((self.release(package) for package in self.installed), key=order)
        return tuple(units(at, self.installed))

    @property
    def units(self) -> dict[str, UnitState]:
        """What systemd says."""
        return {
            unit: UnitState(
                "active" if unit in self.alive else "inactive", "enabled" if unit in self.enabled else "disabled"
            )
            for unit in self.known
        }

    @property
    def mistral_lives(self) -> bool:
        """True when any process of Mistral lives here, and so holds a session on the database."""
        return bool((self.alive | self.strays) & set(catalogue.MISTRAL_UNITS))


@dataclass(frozen=True)
class Drop:
    """A table that was dropped with rows in it, by which run, and how many of them its newest dump has."""

    run: str
    table: str
    rows: int
    dumped: int


@dataclass
class Shared:
    """What the hosts of a deployment share.

    early   tables of later revisions that a service made
    rows    by table; unscoped and old are the keys that the scripts of 1.5 and 2.1 have not seen
    upgrading  the host on which `upgrade head` runs at this moment
    """

    revision: str
    early: set[str] = field(default_factory=set)
    rows: dict[str, int] = field(default_factory=dict)
    dumps: list[dict[str, int]] = field(default_factory=list)
    unscoped: int = 0
    old: int = 0
    registered: str = ""
    upgrading: str = ""


class Estate:
    """The hosts of a deployment and what they share; `seen` collects what must never be."""

    def __init__(self, name: str, hosts: Iterable[Box], release: str) -> None:
        self.name = name
        self.boxes = {box.name: box for box in hosts}
        with_mistral = any("st2mistral" in box.installed for box in self.boxes.values())
        self.shared = Shared(catalogue.mistral_head(release) if with_mistral else "")
        self.shared.rows = {"executions_v2": 20} if with_mistral else {}
        self.shared.unscoped = 4 if order(release) < order("1.5.0") else 0
        self.shared.old = 6 if order(release) < order("2.1.0") else 0
        self.drops: list[Drop] = []
        self.upgraded_beside: list[str] = []
        for box in self.boxes.values():
            box.enabled = set(box.known)
            box.alive = set(box.known)

    # --- units -------------------------------------------------------------------------------------------

    def start(self, host: str, names: Iterable[str]) -> None:
        """systemctl start: a unit that is held stays down, and systemctl says nothing."""
        box = self.boxes[host]
        for unit in names:
            if unit in box.held or unit not in box.known:
                continue
            box.alive.add(unit)
            if unit == "mistral":
                box.alive |= {child for child in catalogue.MISTRAL_UNITS[1:] if child not in box.held}
            if unit in catalogue.MISTRAL_UNITS:
                self._mistral_began(host)

    def stop(self, host: str, names: Iterable[str]) -> None:
        """systemctl stop: each by its own name, the wrapper does not take its children along."""
        self.boxes[host].alive -= set(names)

    def stray(self, host: str) -> None:
        """A mistral-server that somebody started by hand, outside of its unit."""
        if "st2mistral" in self.boxes[host].installed:
            self.boxes[host].strays.add("mistral-server")
            self._mistral_began(host)

    def reboot(self, host: str) -> None:
        """The host is back: nothing that ran runs, what is enabled and not held does."""
        box = self.boxes[host]
        box.alive, box.strays = set(), set()
        if self.shared.upgrading == host:
            self.shared.upgrading = ""  # one transaction: it is as if it never ran
        self.start(host, sorted(box.enabled))

    def _mistral_began(self, host: str) -> None:
        """create_all: the tables of the installed code, whatever the database's revision says."""
        head = catalogue.mistral_head(self.boxes[host].release("st2mistral"))
        if head > self.shared.revision:
            made = set(catalogue.mistral_tables(self.shared.revision, head))
            self.shared.early |= made
            self.shared.rows.update({table: self.shared.rows.get(table, 0) for table in made})
        self.look_for_company()

    def look_for_company(self) -> None:
        """Remember every mistral that lives while its database is upgraded."""
        if self.shared.upgrading:
            self.upgraded_beside += [name for name, box in self.boxes.items() if box.mistral_lives]

    def work(self) -> None:
        """Time passes: a Mistral of 2.2 that runs stores executions in its own table, wherever it came from."""
        if EARLY_ROWS in self.shared.rows and any(box.mistral_lives for box in self.boxes.values()):
            self.shared.rows[EARLY_ROWS] += 1

    # --- packages ----------------------------------------------------------------------------------------

    def install(self, host: str, wanted: dict[str, str]) -> None:
        """All of WANTED is there; rpm's scripts restart what runs."""
        box = self.boxes[host]
        before = set(box.known)
        box.installed.update(wanted)
        box.enabled |= set(box.known) - before
        if box.family == "yum":
            self.start(host, sorted(box.alive))

    def by_hand(self, host: str, release: str) -> None:
        """Somebody brings every package of HOST to RELEASE with the package manager, and does nothing else."""
        self.install(host, {package: version(package, release) for package in self.boxes[host].installed})

    # --- the database of Mistral -------------------------------------------------------------------------

    def look(self, host: str) -> MistralFacts | None:
        """What onhost/mistral.py says there."""
        box, shared = self.boxes[host], self.shared
        if "st2mistral" not in box.installed:
            return None
        head = catalogue.mistral_head(box.release("st2mistral"))
        living = [name for name, each in self.boxes.items() if each.mistral_lives]
        facts = MistralFacts(
            state="upgraded",
            sentence=f"Mistral's database is at revision {shared.revision}",
            revision=shared.revision,
            head=head,
            rows=dict(shared.rows),
            sessions=tuple(Session(name, "", "mistral") for name in living),
            identity=f"1490000000.000001/{self.name}",
            size=1 << 20,
            server=150000,
        )
        if shared.revision > head:
            return replace(facts, state="unknown-revision")
        if shared.revision == head:
            return facts
        pending = tuple(f"{number:03}" for number in range(int(shared.revision) + 1, int(head) + 1))
        drop = tuple(sorted(shared.early))
        return replace(facts, state="broken" if drop else "old", pending=pending, drop=drop)

    def upgrade_head(self, host: str) -> int:
        """mistral-db-manage upgrade head: one transaction, which fails on a table that is there."""
        look = self.look(host)
        self.look_for_company()
        self.shared.upgrading = ""
        if look is None or look.state not in ("old", "upgraded"):
            return 1
        for table in catalogue.mistral_tables(self.shared.revision, look.head):
            self.shared.rows.setdefault(table, 0)
        self.shared.revision = look.head
        return 0

    def dump(self) -> None:
        """pg_dump, read back."""
        self.shared.dumps.append(dict(self.shared.rows))

    def drop(self, host: str, rows_too: bool, run: str) -> int:
        """The repair of a broken database, as onhost/mistral.py refuses and does it."""
        look = self.look(host)
        if look is None or look.state != "broken" or look.sessions:
            return 1
        filled = [table for table in look.drop if self.shared.rows[table]]
        if filled and not rows_too:
            return 1
        kept = self.shared.dumps[-1] if self.shared.dumps else {}
        self.drops += [Drop(run, table, self.shared.rows[table], kept.get(table, 0)) for table in filled]
        for table in look.drop:
            del self.shared.rows[table]
        self.shared.early.clear()
        return 0

    # --- the datastore -----------------------------------------------------------------------------------

    def scope_keys(self, host: str, share: float = 1.0) -> int:
        """The script of 1.5, whose copy in 1.6.0 to 2.0.1 fails on the first key."""
        at = self.boxes[host].release("st2")
        if order("1.6.0") <= order(at) <= order("2.0.1") and self.shared.unscoped:
            return 1
        self.shared.unscoped -= round(self.shared.unscoped * share)
        return 0

    def rename_scopes(self, share: float = 1.0) -> int:
        """The script of 2.1."""
        self.shared.old -= round(self.shared.old * share)
        return 0

    @property
    def can_break(self) -> bool:
        """True while a mistral of a later release would make tables that are not there."""
        return "" < self.shared.revision < catalogue.mistral_head("2.2.0") and not self.shared.early
