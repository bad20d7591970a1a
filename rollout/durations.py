"""How long st2 will be down: an estimate from what the same steps took before. Pure: phases and facts in, seconds out."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rollout.facts import Facts
from rollout.journal import Record
from rollout.model import Phase, PhasePlan, Step
from rollout.stretches import hosts_of, segments, stretches

Known = Mapping[tuple[str, str], int]
_DOWN = tuple(Phase)[tuple(Phase).index(Phase.STOP) : tuple(Phase).index(Phase.START) + 1]

# Seconds by step, the longest of four hosts. Source: `invoke upgrade --hosts lab`, then `invoke dev.durations --hosts lab`.
LAB = {
    "stop.hold": 1,
    "stop.units": 2,
    "stop.leftovers": 0,
    "stop.proved": 0,
    "backup.mistral": 2,
    "backup.databases": 1,
    "backup.seal": 0,
    "packages.free": 0,
    "packages.set": 3,
    "packages.quiet": 0,
    "mistral.quiet": 1,
    "mistral.ready": 1,
    "mistral.upgrade": 4,
    "mistral.populate": 6,
    "2.1.datastore-scopes": 1,
    "2.1.runners": 0,
    "config.put-back": 0,
    "config.show": 0,
    "config.register-all": 1,
    "start.release": 1,
    "start.units": 7,
}
# The lab's Mistral is no engine. Source: `time systemctl stop mistral-server` on a box with the real one.
MISTRAL_STOPS_S = 61
BETWEEN_PHASES_S = 1


@dataclass(frozen=True)
class Expected:
    """How long st2 is expected to be down, in seconds, how many of them for the backup, and what that rests on."""

    seconds: int
    basis: str
    backup: int = 0


def earlier(records: Iterable[Record]) -> dict[tuple[str, str], int]:
    """Seconds by step and host, as the newest run or rehearsal took them there; what was found done already took none."""
    begun: dict[tuple[str, str, int, str], int] = {}
    took: dict[tuple[str, str], int] = {}
    for each in records:
        key = (each.run, each.step, each.attempt, each.host)
        if each.event == "started":
            begun[key] = each.at
        elif each.event == "finished" and key in begun and each.code == 0 and not each.data.get("proved"):
            took[each.step.partition(":")[2], each.host] = max(0, each.at - begun[key])
        elif each.event == "rehearsed" and isinstance(rehearsed := each.data.get("seconds"), Mapping):
            took |= {(str(step), each.host): round(float(seconds)) for step, seconds in rehearsed.items()}
    return took


def expected(phases: Iterable[PhasePlan], facts: Mapping[str, Facts]) -> Expected:
    """How long st2 will be down on the host where it is down longest, over all stops of PHASES."""
    down = [phase for phase in phases if phase.name in _DOWN]
    known = earlier(record for each in facts.values() for record in each.journal)
    legs: dict[str, list[PhasePlan]] = {}
    for phase in down:
        legs.setdefault(phase.leg, []).append(phase)
    per_host = dict.fromkeys(facts, (0, 0))
    for leg in legs.values():
        stopped = hosts_of(step for phase in leg if phase.name is Phase.STOP for step in phase.steps)
        waits = BETWEEN_PHASES_S * len(stretches(leg))
        seconds = waits + sum(_phase(phase, known) for phase in leg)
        backup = sum(_phase(phase, known) for phase in leg if phase.name is Phase.BACKUP)
        per_host.update({name: (per_host[name][0] + seconds, per_host[name][1] + backup) for name in stopped})
    steps = [step for phase in down for step in phase.steps]
    seconds, backup = max(per_host.values(), default=(0, 0))
    return Expected(seconds, _basis(steps, known) if steps else "", backup)


def _phase(phase: PhasePlan, known: Known) -> int:
    """Its segments one after the other; in one of them the hosts work side by side."""
    total = 0
    for steps in segments(phase.steps):
        by_host = {name: [step for step in steps if name in step.hosts] for name in hosts_of(steps)}
        total += max(sum(_seconds(step, name, known) or 0 for step in mine) for name, mine in by_host.items())
    return total


def _seconds(step: Step, host: str, known: Known) -> int | None:
    """What STEP takes on HOST: as it did there, else as on another host of the deployment, else as in the lab, else unknown."""
    if (step.id, host) in known:
        return known[step.id, host]
    if others := [seconds for (id_, _), seconds in known.items() if id_ == step.id]:
        return max(others)
    return MISTRAL_STOPS_S if _stops_mistral(step) else LAB.get(step.id)


def _stops_mistral(step: Step) -> bool:
    return step.id == "stop.units" and "mistral-server" in step.argv


def _basis(steps: Sequence[Step], known: Known) -> str:
    ids = tuple(dict.fromkeys(step.id for step in steps))
    ran = [each for each in ids if each in {id_ for id_, _ in known}]
    of_lab = [each for each in ids if each not in ran and each in LAB]
    parts = [f"{len(ran)} of {len(ids)} steps as they went on these hosts before"] if ran else []
    if of_lab:
        parts.append(f"{len(of_lab) if ran else 'steps'} as in a lab with small packages and databases")
    if "stop.units" not in ran and any(_stops_mistral(step) for step in steps):
        parts.append(f"the stop as long as Mistral's engine takes ({MISTRAL_STOPS_S} s)")
    text = ", ".join(parts)
    if unknown := [each for each in ids if each not in ran and each not in LAB]:
        text += f"; not counted, as nobody has measured it: {', '.join(unknown)}"
    return text
