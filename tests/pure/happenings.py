"""What may happen in a history, as strategies: sites, what operators type, what befalls them, what hands do in between."""

from collections.abc import Callable
from dataclasses import dataclass

from hypothesis import strategies as st

from rollout import catalogue, journal, repairs
from rollout.batches import UNGATED, Pace
from rollout.model import Migration, Phase, Repeat, Scope, Step
from rollout.roll import Outcome
from rollout.versions import order
from tests.pure.boxes import SET, version
from tests.pure.commands import ASKED
from tests.pure.controller import Controller
from tests.pure.estate import Box, Estate
from tests.pure.machine import Moment, Trouble
from tests.pure.simulation import Incident, Simulation

RELEASES = ("1.4.0", "1.5.1", "2.0.1", "2.1.1", "2.2.0", "2.2.1")
OPERATORS = ("ann@desk", "ann@home", "bob@desk")
PLANNERS = {
    "mistral.upgrade": repairs.upgrade_mistral,
    "services.stop": repairs.stop_services,
    "services.start": repairs.start_services,
    "services.restart": repairs.restart_services,
}
PLAIN = {"locks.release": Controller.release_locks, "pause": Controller.pause, "resume": Controller.resume}
# No release asks for a step of this kind today.
QUESTION = Migration(
    "2.1.0",
    "a step of which nobody can tell how it ended",
    (
        Step(
            "test.question",
            "ask",
            Phase.MIGRATIONS,
            (ASKED,),
            scope=Scope.DEPLOYMENT,
            needs="st2",
            repeat=Repeat.ASK,
        ),
    ),
)
# What can be begun and not be known to have ended.
CRITICAL = (
    "packages.set",
    "test.question",
    "mistral.drop",
    "mistral.upgrade",
    "1.5.datastore-scope-secret",
    "2.1.datastore-scopes",
    "start.units",
    "settle.record",
)
STEPS = (
    *CRITICAL,
    *("fetch.packages", "before-stop.feeders", "stop.hold", "stop.units", "stop.leftovers", "stop.proved"),
    *("backup.databases", "packages.quiet", "mistral.quiet", "mistral.ready", "mistral.populate"),
    *("config.register-all", "start.release", "verify.units", "2.1.restart"),
)

# --- what befalls a controller and its hosts ---------------------------------------------------------------------


def asleep(controller: Controller, moment: Moment) -> None:
    """The controller gets SIGSTOP."""
    controller.sleep()


def ctrl_c(controller: Controller, moment: Moment) -> None:
    """The operator wants to stop."""
    controller.ctrl_c()


def neighbour_loses_power(controller: Controller, moment: Moment) -> None:
    """Another host of the deployment reboots."""
    sim = controller.sim
    hosts = list(sim.estates[sim.deployment_of[moment.host]].boxes)
    sim.machines[hosts[hosts.index(moment.host) - 1]].lose_power()


def somebody_starts_st2(controller: Controller, moment: Moment) -> None:
    """st2ctl start, in the middle."""
    estate = controller.sim.estates[controller.sim.deployment_of[moment.host]]
    estate.start(moment.host, sorted(estate.boxes[moment.host].enabled))


def somebody_stops_st2(controller: Controller, moment: Moment) -> None:
    """st2ctl stop, by somebody who knows of no upgrade."""
    name = controller.sim.deployment_of[moment.host]
    controller.sim.estates[name].stop(moment.host, controller.sim.estates[name].boxes[moment.host].known)


def the_command_is_killed(controller: Controller, moment: Moment) -> None:
    """The remote command ends with half of its work done, unless it is through."""
    world = controller.sim.worlds[controller.sim.deployment_of[moment.host]]
    world.failing[moment.key.partition(":")[2]] = 1


HOST = (
    *[Trouble.POWER] * 4,
    *(Trouble.ALONE, Trouble.SHUTDOWN),
    *(neighbour_loses_power, somebody_starts_st2, the_command_is_killed),
)
LINK = (Trouble.LOST, Trouble.BLIP, Trouble.AWAY)
CONTROLLER = (Trouble.KILLED, Trouble.KILLED, asleep, ctrl_c)

whens = st.sampled_from(["before", "started", "half", "acted", "finished"])
calls = st.sampled_from(["lock-show", "lock-take", "records", "record", "recorded", "keep", "kept", "unlock"])
steps = st.sampled_from(STEPS)
skips = st.integers(0, 12)
seeds = st.integers(0, 1 << 16)
troubles = st.sampled_from(HOST + LINK + CONTROLLER)
in_steps = st.builds(Incident, whens, steps, troubles) | st.builds(
    Incident, whens, st.just(""), troubles, st.integers(0, 40)
)
critical = st.sampled_from(CRITICAL)
cut_off = st.builds(Incident, st.sampled_from(["started", "half", "acted"]), critical, st.just(Trouble.POWER))
# Only the line that is being written tears: what was on the disk before the runner went on stays there.
tears = st.sampled_from([Trouble.TORN, Trouble.UNENDED])
torn = st.builds(Incident, st.sampled_from(["started", "finished"]), critical, tears)
in_calls = st.builds(Incident, calls, st.just(""), st.sampled_from(CONTROLLER), skips)
in_naps = st.builds(
    Incident, st.just("nap"), st.just(""), st.sampled_from([*[somebody_stops_st2] * 4, *CONTROLLER]), st.integers(0, 1)
)
incident = in_naps | cut_off | in_steps | in_steps | in_calls | torn
incidents = st.lists(incident, max_size=2)
falls_asleep = st.builds(Incident, whens, steps, st.just(asleep)) | st.builds(
    Incident, calls, st.just(""), st.just(asleep), skips
)

# --- what operators type -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Typed:
    """A command as an operator types it; `more` is --to, --drop-rows or --release, `settle` --settle or --abandon. A target
    of +N is the Nth release after the one that is there; the target of an open run when there is one. A deployment that is
    not there is not named."""

    command: str
    words: str
    more: str = ""
    settle: str = ""
    pace: Pace = UNGATED

    def __call__(self, controller: Controller) -> list[Outcome]:
        """Carry it out."""
        words = ",".join(name for name in self.words.split(",") if name in controller.sim.estates)
        if self.command == "upgrade":
            answers = {"test.question": self.settle} if self.settle else {}
            return controller.upgrade(words, self._target(controller.sim, words), self.pace, answers)
        if self.command == "migrations.baseline":
            return controller.baseline(words, self.more, abandon=bool(self.settle))
        if self.command in PLAIN:
            return PLAIN[self.command](controller, words)
        if self.command == "mistral.recover":
            drop = bool(self.more)
            return controller.repair(words, self.command, lambda d, f: repairs.recover(d, f, drop), drop)
        return controller.repair(words, self.command, PLANNERS[self.command])

    def _target(self, sim: Simulation, words: str) -> str:
        if not self.more.startswith("+"):
            return self.more
        boxes = sim.estates[words.partition(",")[0]].boxes
        for host in boxes:
            if opened := journal.open_run(sim.journal(host)[0]):
                return str(opened.data["to"])
        at = RELEASES.index(max((box.release(name) for box in boxes.values() for name in box.installed), key=order))
        return RELEASES[min(at + int(self.more), len(RELEASES) - 1)]


names = st.sampled_from(["pair", "single"])
words = st.sampled_from(["pair", "single", "pair,single", "pair,single,last", "single,last,pair"])
operators = st.sampled_from(OPERATORS)
desks = st.permutations(OPERATORS)
settled = st.sampled_from(["", "", "", "done", "again"])
paces = st.builds(
    Pace,
    batch=st.sampled_from(["1", "1", "1,100%", "100%", "2"]),
    max_failures=st.sampled_from([0, 0, 1]),
    soak_s=st.just(2),
    gate_deadline_s=st.sampled_from([0, 10, 10]),
)
upgrades = st.builds(Typed, st.just("upgrade"), words, st.sampled_from(["+1", "+1", "+2", "+9"]), settled, paces)
others = st.one_of(
    st.builds(Typed, st.sampled_from([*PLANNERS, "locks.release", "mistral.recover", "pause", "resume"]), names),
    st.builds(
        Typed, st.just("migrations.baseline"), names, st.sampled_from(RELEASES), st.sampled_from(["", "--abandon"])
    ),
    st.builds(Typed, st.just("upgrade"), words, st.sampled_from(RELEASES[1:])),
)
same_or_another = st.none() | st.none() | upgrades | others

# --- what hands do -----------------------------------------------------------------------------------------------

Hand = Callable[[Simulation, Estate, str, str], None]


def upgrades_packages(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody upgrades the packages of one host, and nothing else."""
    box = estate.boxes[host]
    if all(order(box.release(each)) <= order(release) for each in box.installed) and not box.half_configured:
        estate.by_hand(host, release)


def upgrades_all_packages(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody upgrades the packages of all hosts."""
    for each in estate.boxes:
        upgrades_packages(sim, estate, each, release)


def runs_the_scripts(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody runs the scripts that the packages bring."""
    at = estate.boxes[host].release("st2") or "0"
    if order(at) >= order("1.5.0"):
        estate.scope_keys(host)
    if order(at) >= order("2.1.0"):
        estate.rename_scopes()


def starts_all(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """st2ctl start."""
    estate.start(host, sorted(estate.boxes[host].enabled))


def starts_a_process(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody starts mistral-server by its path, where no hold can see it."""
    estate.stray(host)


def upgrades_the_database(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody follows the page: mistral stopped everywhere, then `upgrade head`."""
    for box in estate.boxes.values():
        box.alive -= set(catalogue.MISTRAL_UNITS)
        box.strays.clear()
    estate.upgrade_head(host)


def breaks_the_database(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """Somebody upgrades all packages, starts everything, and goes home: what the warning on the page is about."""
    upgrades_all_packages(sim, estate, host, RELEASES[-1])
    for each in estate.boxes:
        starts_all(sim, estate, each, release)


def reboots(sim: Simulation, estate: Estate, host: str, release: str) -> None:
    """The host loses its power."""
    sim.machines[host].lose_power()


HANDS: tuple[Hand, ...] = (
    upgrades_packages,
    upgrades_all_packages,
    runs_the_scripts,
    starts_all,
    starts_a_process,
    upgrades_the_database,
    breaks_the_database,
    reboots,
)


# --- histories ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Site:
    """A pair, with or without a front host, a single box, and sometimes one more, all at one release."""

    release: str
    families: tuple[str, ...]
    front: bool
    third: bool

    def simulation(self) -> Simulation:
        """As it is before anybody typed anything."""

        def box(name: str, family: str, packages: tuple[str, ...] = SET) -> Box:
            return Box(name, family, {package: version(package, self.release) for package in packages})

        *pair, single = [box(name, family) for name, family in zip("abs", self.families, strict=True)]
        pair += [box("web", self.families[0], ("st2web", "st2chatops"))] if self.front else []
        estates = [Estate("pair", pair, self.release), Estate("single", [single], self.release)]
        if self.third:
            estates.append(Estate("last", [box("t", self.families[1])], self.release))
        return Simulation({each.name: each for each in estates})


sites = st.builds(
    Site,
    st.sampled_from((*RELEASES[:3], *RELEASES[:-1])),
    st.tuples(*[st.sampled_from(["apt", "yum"])] * 3),
    st.booleans(),
    st.booleans(),
)
