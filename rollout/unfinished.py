"""What is still on its way through st2 when an upgrade is planned: executions, and the queue that 2.3 gives up. Pure."""

from collections.abc import Iterator, Mapping

from rollout.facts import Facts
from rollout.findings import found
from rollout.model import Finding

Hosts = Mapping[str, Facts]


def executions(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Executions of st2 that are not through: a stop ends them. Counted once, as every host sees the same ones."""
    asked = {name: each for name, each in facts.items() if "st2" in each.installed}
    for name, each in asked.items():
        if count := each.evidence.get("executions-unfinished"):
            where = each.places["executions-unfinished"]
            yield found("executions-unfinished", name, f"{count} executions of st2 are unfinished ({where})")
            return
    unknown = [name for name, each in asked.items() if "executions-unknown" in each.evidence]
    if unknown and len(unknown) == len(asked):
        why = asked[unknown[0]].places["executions-unknown"]
        yield found("executions-unknown", unknown[0], f"whether executions of st2 are unfinished is not known: {why}")


def notifiers(host: Facts) -> str:
    """Why the queue of the notifier cannot be judged from HOST, "" where it can."""
    return host.places.get("queue-unknown", "") if "queue-unknown" in host.evidence else ""
