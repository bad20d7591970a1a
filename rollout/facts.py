"""What hosts said in one round trip. Plain data; remote/ reads it, the planner uses it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollout import catalogue
from rollout.journal import Record
from rollout.model import Before, UnitState
from rollout.versions import PackageVersion, order

MUTE = ("unreachable", "half-installed")  # the states of a Mistral database that was not looked at
_FRONT = {"st2web", "st2chatops"}


@dataclass(frozen=True)
class Session:
    """A session on the Mistral database other than our own."""

    address: str
    application: str
    user: str = ""


@dataclass(frozen=True)
class MistralFacts:
    """What the Mistral database of a host's mistral.conf looks like.

    state     empty, old, between, broken, upgraded, recreated, damaged, unmanaged, unknown-revision, half-installed
              or unreachable; `between` is a revision that no release shipped
    cause     why it is unreachable: a word of onhost/mistral_database.py's CAUSES
    pending   the revisions that `upgrade head` of the installed package would run
    drop      the tables that stand although only pending revisions make them
    rows      row counts of the tables in `drop` and of the execution tables
    unfinished  executions in executions_v2 that are neither SUCCESS nor ERROR
    identity  what tells one database server and database from another
    client_address, server_address  both ends of our own session as the server sees them; "local" for a socket
    """

    state: str
    sentence: str = ""
    revision: str = ""
    head: str = ""
    pending: tuple[str, ...] = ()
    creates: dict[str, tuple[str, ...]] = field(default_factory=dict)
    drop: tuple[str, ...] = ()
    rows: dict[str, int] = field(default_factory=dict)
    unfinished: int = 0
    sessions: tuple[Session, ...] = ()
    identity: str = ""
    size: int = 0
    server: int = 0
    cause: str = ""
    client_address: str = ""
    server_address: str = ""


@dataclass(frozen=True)
class StoreFacts:
    """st2's own database as the st2.conf of a host names it.

    size         bytes of its documents, about what an archive of them needs
    collections  collection to the number of its documents
    tool, restore_tool  the releases of mongodump and mongorestore there; "" for one that is missing
    cause        why it cannot be looked at: settings, library, unreachable, login or rights; `sentence` says it in words
    """

    kind: str = "mongodb"
    release: str = ""
    db: str = ""
    size: int = 0
    collections: dict[str, int] = field(default_factory=dict)
    tool: str = ""
    restore_tool: str = ""
    cause: str = ""
    sentence: str = ""


@dataclass(frozen=True)
class LockFacts:
    """The lock as it lies on a host; `age` is the seconds since its holder's last sign of life."""

    run: str
    by: str
    message: str
    fence: int
    age: int
    token: str = ""
    plan: str = ""
    pid: int = 0
    boot: str = ""


@dataclass(frozen=True)
class Busy:
    """A process that holds a lock of the package manager."""

    pid: str
    command: str
    lock: str


@dataclass(frozen=True)
class Restarter:
    """What starts services again: `kind` is unit, process or cron, `where` its unit, pid or FILE:LINE."""

    kind: str
    where: str
    program: str


@dataclass(frozen=True)
class Silent:
    """A server that st2.conf names and that takes no connection: `kind` is mongodb or rabbitmq."""

    kind: str
    where: str
    why: str


@dataclass(frozen=True)
class Around:
    """What may spoil an upgrade without being part of st2 (onhost/preflight.sh); of a quick look only the first three.

    lists_age    seconds since the host's own lists of packages were fetched; -1 when that cannot be told
    fetch_failed, key_refused  what the package manager said when it was asked for st2's packages
    changed, left  configuration files that are not as they were shipped, and what the package manager put beside such ones
    store        the database of MongoDB that st2.conf names: HOST:PORT[,HOST:PORT...]/NAME
    scripts      the migration scripts that are on the disk
    virtualenvs  pack to what is wrong with its virtualenv: gone (the pack), missing (its Python), other (than st2's Python)
    """

    lists_age: int = -1
    fetch_failed: str = ""
    key_refused: str = ""
    silent: tuple[Silent, ...] = ()
    store: str = ""
    restarters: tuple[Restarter, ...] = ()
    changed: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    scripts: tuple[str, ...] = ()
    virtualenvs: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class BackupFacts:
    """A backup as it lies on one host (docs/decisions/0011); of one that is `wrong` only name, at and bytes are known.

    name      RUN/HOP
    at        seconds since 1970 by the host's clock
    hosts     the hosts that have a part of it, with commas
    files     name to bytes of its files
    packages  package of st2 to exact version, as they were installed
    units     unit to its ActiveState and UnitFileState
    seconds   how long its parts took
    """

    name: str
    at: int = 0
    bytes: int = 0
    wrong: str = ""
    deployment: str = ""
    release: str = ""
    external: str = ""
    hosts: str = ""
    files: dict[str, int] = field(default_factory=dict)
    packages: dict[str, str] = field(default_factory=dict)
    units: dict[str, tuple[str, ...]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def run(self) -> str:
        """The run that took it."""
        return self.name.partition("/")[0]

    @property
    def of_all(self) -> bool:
        """True when an upgrade or backup.create took it; others keep of a deployment what they replace."""
        hop = self.name.partition("/")[2]
        return hop == "backup.create" or hop[:1].isdigit()


@dataclass(frozen=True)
class Facts:
    """One host's answer.

    installed  package to version, for the packages of the set that are there
    available  package to the versions that its repositories offer, newest first
    evidence   what the data itself says: of steps that may be pending, e.g. keys-unscoped: 3, and of packs and st2.conf, by the
               keys of onhost/evidence.py
    places     where the first of each was found
    versions   of what st2 relies on: node, node-offered, python-offered, mongodb; `none` where none is there
    busy       who holds a lock of the package manager
    skew       seconds that its clock is ahead of the controller's
    """

    host: str
    distro: str = ""
    os_name: str = ""
    init: str = ""
    manager: str = ""
    expected_manager: str = ""
    installed: dict[str, str] = field(default_factory=dict)
    unhealthy: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    available: dict[str, tuple[str, ...]] = field(default_factory=dict)
    units: dict[str, UnitState] = field(default_factory=dict)
    processes: tuple[str, ...] = ()
    mistral: MistralFacts | None = None
    store: StoreFacts | None = None
    evidence: dict[str, int] = field(default_factory=dict)
    places: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    journal: tuple[Record, ...] = ()
    damage: str = ""
    lock: LockFacts | None = None
    fence: int = 0
    hold: str = ""
    running: str = ""
    free_kib: dict[str, int] = field(default_factory=dict)
    busy: tuple[Busy, ...] = ()
    around: Around = Around()
    clock: int = 0
    skew: int = 0
    machine: str = ""
    addresses: tuple[str, ...] = ()
    tools: tuple[str, ...] = ()
    backups: tuple[BackupFacts, ...] = ()

    @property
    def release(self) -> str:
        """The st2 release that the package manager says is installed, or "" without any package of the set."""
        known = [PackageVersion.parse(text).release for text in self.installed.values()]
        if "st2" in self.installed:
            return PackageVersion.parse(self.installed["st2"]).release
        return max(known, key=order) if known else ""

    @property
    def before(self) -> Before:
        """What this run must be able to put back."""
        return Before(units=dict(self.units), packages=dict(self.installed))

    def active(self) -> tuple[str, ...]:
        """The units that run now, in the order of the catalogue."""
        known = catalogue.all_units()
        return tuple(
            u for u in known if u in self.units and self.units[u].active in ("active", "activating", "reloading")
        )

    def fits(self, needs: str) -> bool:
        """True when the host carries the package NEEDS, or nothing is needed."""
        return not needs or needs in self.installed

    @property
    def front(self) -> bool:
        """True when the host carries st2web or st2chatops and nothing else: no API, no queue, no database."""
        return bool(self.installed) and set(self.installed) <= _FRONT and set(self.units) <= _FRONT


def back_hosts(facts: Mapping[str, Facts]) -> dict[str, Facts]:
    """The hosts that carry more of st2 than its front: they stop and start together."""
    return {name: each for name, each in facts.items() if each.installed and not each.front}


def front_hosts(facts: Mapping[str, Facts]) -> tuple[str, ...]:
    """The hosts that may be upgraded before the others stop: all they need of the deployment is its HTTP API.

    A chat bot asks the API for its commands when it starts, so it goes with the others where no API is up.
    """
    behind = back_hosts(facts)
    served = any("st2api" in each.active() for each in behind.values())
    return tuple(name for name, each in facts.items() if each.front and behind and (served or not each.units))


def mistral_host(facts: Mapping[str, Facts]) -> str:
    """The first host that carries st2mistral and whose database answers, or the first that carries it, or ""."""
    carriers = [name for name, each in facts.items() if "st2mistral" in each.installed]
    answering = [name for name in carriers if (m := facts[name].mistral) and m.state not in MUTE]
    return (answering or carriers or [""])[0]


def store_host(facts: Mapping[str, Facts]) -> str:
    """The first host that carries st2 and so reaches its database, or ""."""
    return next((name for name, each in facts.items() if "st2" in each.installed), "")
