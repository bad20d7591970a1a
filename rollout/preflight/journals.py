"""What is found of the journals on the hosts: they disagree, or something was done beside them. Pure."""

from collections.abc import Iterable, Iterator, Mapping

from rollout.facts import Facts
from rollout.findings import found
from rollout.journal import Record, disagreement, going_back, open_run, settled
from rollout.model import Finding
from rollout.preflight.packages import went_first

Hosts = Mapping[str, Facts]


def journal(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Journals that cannot be believed, and hosts that are not as theirs says."""
    if sentence := disagreement({name: each.journal for name, each in facts.items()}):
        yield found("journal-disagrees", deployment, sentence, deployment=deployment)
    for name, each in facts.items():
        if each.damage:
            yield found("journal-damaged", name, each.damage)
        if back := going_back(each.journal):
            cure = str(back.data.get("command"))
            yield found(
                "way-back-open", name, f"{cure} is not through: run {back.run}", deployment=deployment, cure=cure
            )
        elif open_run(each.journal) is None:
            if name not in went_first(facts, target):
                yield from _by_hand(deployment, name, each)
            yield from _held(deployment, name, each)


def _by_hand(deployment: str, name: str, host: Facts) -> Iterator[Finding]:
    at, last = settled(host.journal), _last_settled(host.journal)
    if at and host.release and host.release != at and not (last and last.data.get("baseline")):
        cause = f"{host.release} is installed, the journal settled {at}, and no run is open"
        yield found("upgraded-by-hand", name, cause, deployment=deployment, at=at, release=host.release)


def _held(deployment: str, name: str, host: Facts) -> Iterator[Finding]:
    if host.hold:
        begun = (each for each in ("mistral.recover", "mistral.upgrade") if open_run(host.journal, each))
        cause = f"st2 is held from starting ({host.hold}), and no upgrade is open"
        yield found("held", name, cause, deployment=deployment, cure=next(begun, "services.start"))


def _last_settled(records: Iterable[Record]) -> Record | None:
    return next((record for record in reversed(tuple(records)) if record.event == "settled"), None)
