"""Deployments in memory: their machines, their locks, what their hosts say of themselves, and who works on them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from inventory.selection import Inventory
from rollout import codec, journal
from rollout.errors import Locked, StormliftError
from rollout.facts import Facts, LockFacts
from rollout.journal import Record
from tests.pure.boxes import RELEASES, deployment, version
from tests.pure.commands import Hosts
from tests.pure.estate import Estate
from tests.pure.fleet import ControllerDied, parsed
from tests.pure.machine import Machine, Moment, Trouble
from tests.pure.turns import Turns
from tests.pure.world import Clock

if TYPE_CHECKING:
    from tests.pure.controller import Controller

Happening = Callable[["Controller", Moment], None]


@dataclass(frozen=True)
class Incident:
    """Something that happens to a controller at a moment of this kind (in this step, in any when it is ""), after as
    many of them as `skip` says."""

    when: str
    step: str
    what: Trouble | Happening
    skip: int = 0

    def fits(self, moment: Moment) -> bool:
        """True at that moment."""
        return moment.when == self.when and (not self.step or moment.key.endswith(f":{self.step}"))


NEVER = Incident("", "", Trouble.BLIP)


@dataclass
class Lock:
    """A deployment's lock as it lies on one host."""

    token: str
    fence: int
    run: str
    message: str
    holder: "Controller"


@dataclass
class Simulation:
    """Everything there is. `stolen` and `strangers` collect what two operators must never do.

    pauses  by host: since when it is paused, as a number that nobody else has
    typed   by run and fencing number: when the command was typed, as such a number
    halted  by run, fencing number and host: when the host heard of Ctrl-C, as such a number
    unwell  what a health gate let pass although it is sick
    """

    estates: dict[str, Estate]
    clock: Clock = field(default_factory=Clock)
    turns: Turns = field(default_factory=Turns)
    locks: dict[str, Lock] = field(default_factory=dict)
    fences: dict[str, int] = field(default_factory=dict)
    controllers: list["Controller"] = field(default_factory=list)
    stolen: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    pauses: dict[str, int] = field(default_factory=dict)
    typed: dict[tuple[str, int], int] = field(default_factory=dict)
    halted: dict[tuple[str, int, str], int] = field(default_factory=dict)
    unwell: list[str] = field(default_factory=list)
    drop_rows_said: set[str] = field(default_factory=set)
    answered: set[tuple[str, int]] = field(default_factory=set)
    numbers: int = 0

    def __post_init__(self) -> None:
        self.worlds = {
            name: Hosts(estate, self.clock, self.holder, self.settle, self.paused, self.number)
            for name, estate in self.estates.items()
        }
        self.machines = {
            host: Machine(host, self.worlds[name]) for name, estate in self.estates.items() for host in estate.boxes
        }
        self.deployment_of = {host: name for name, estate in self.estates.items() for host in estate.boxes}
        self.inventory = Inventory(tuple(deployment(name, *estate.boxes) for name, estate in self.estates.items()))

    def number(self) -> int:
        """A number that nobody else has."""
        self.numbers += 1
        return self.numbers

    def new_run(self) -> str:
        """A name for a run."""
        return f"r{self.number()}"

    # --- what hosts know ---------------------------------------------------------------------------------

    def holder(self, host: str) -> int:
        """The fencing number of the lock on HOST, 0 without one."""
        return self.locks[host].fence if host in self.locks else 0

    def paused(self, host: str) -> int:
        """Since when the deployment of HOST is paused, 0 when it is not."""
        neighbours = self.estates[self.deployment_of[host]].boxes
        return min((self.pauses[name] for name in neighbours if name in self.pauses), default=0)

    def settle(self, host: str, head: str, release: str) -> None:
        """The journal's line of that name."""
        at = int(self.clock())
        self.machines[host].append(f'{head},"event":"settled","at":{at},"data":{{"release":"{release}"}}}}')

    def records(self, host: str) -> tuple[Record, ...]:
        """The journal of HOST."""
        return parsed(self.machines[host].journal)

    def journal(self, host: str) -> tuple[tuple[Record, ...], str]:
        """The journal of HOST, and what is wrong with it."""
        try:
            return parsed(self.machines[host].journal), ""
        except codec.Malformed as error:
            return (), str(error)

    def facts(self, host: str) -> Facts:
        """What HOST says of itself."""
        estate = next(each for each in self.estates.values() if host in each.boxes)
        box, machine = estate.boxes[host], self.machines[host]
        records, damage = self.journal(host)
        keys = {"keys-unscoped": estate.shared.unscoped, "keys-old-scope": estate.shared.old}
        return Facts(
            host=host,
            addresses=(host,),
            distro="jessie" if box.family == "apt" else "el7",
            os_name="a system of that time",
            init="systemd",
            manager=box.family,
            expected_manager=box.family,
            installed=dict(box.installed),
            unhealthy=("it is half configured",) if box.half_configured else (),
            available={name: tuple(version(name, each) for each in RELEASES) for name in box.installed},
            units=box.units,
            processes=tuple(sorted(box.strays)),
            mistral=estate.look(host),
            evidence=keys if "st2" in box.installed and not journal.settled(records) else {},
            journal=records,
            damage=damage,
            lock=self.lock_facts(host),
            fence=self.fences.get(host, 0),
            hold=box.hold,
            running="\n".join(each.name for each in machine.segments if not each.over and not each.dead),
            free_kib={"/var": 80 << 20, "/opt": 80 << 20},
            clock=int(self.clock()),
            tools=("pg_dump", "pg_restore"),
        )

    # --- the lock (lock.sh) ------------------------------------------------------------------------------

    def lock_facts(self, host: str) -> LockFacts | None:
        """The lock as it lies on HOST."""
        lock = self.locks.get(host)
        if lock is None:
            return None
        age = int(self.clock() - lock.holder.last_sign)
        return LockFacts(lock.run, lock.holder.by, lock.message, lock.fence, age, lock.token, pid=1)

    def take(self, host: str, lock: Lock, stale: str, age: int) -> bool:
        """lock-take: False when somebody holds it. Raises Locked for a fencing number that is not new."""
        there = self.locks.get(host)
        if there and stale == there.token and int(self.clock() - there.holder.last_sign) >= age:
            if there.holder.alive and not there.holder.asleep and there.holder is not lock.holder:
                self.stolen.append(f"{host}: {lock.holder.by} took the lock of {there.holder.by}, who is at work")
            self.give_back(host, stale)
        elif there:
            return False
        if lock.fence <= self.fences.get(host, 0):
            raise Locked(f"{host}: another run was here since the facts were read", "the same command again")
        self.locks[host], self.fences[host] = lock, lock.fence
        self.machines[host].token = lock.token
        return True

    def give_back(self, host: str, token: str) -> None:
        """lock-release: only the lock of this token."""
        if host in self.locks and self.locks[host].token == token:
            del self.locks[host]
            self.machines[host].token = ""

    # --- who works ---------------------------------------------------------------------------------------

    def play(self, seed: int) -> None:
        """Let everybody work until all are through, asleep or dead."""
        self.turns.play(seed)
        for each in self.controllers:
            if each.player and (error := each.player.error) and not isinstance(error, StormliftError | ControllerDied):
                raise error

    def go_on(self) -> None:
        """Every host works on alone until it is through with what it was given."""
        for machine in self.machines.values():
            machine.go_on()

    def end(self) -> None:
        """Whoever is left is killed, so that no thread waits for ever."""
        for each in self.controllers:
            each.die()
        self.turns.play(0)
