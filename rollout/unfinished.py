"""What is still on its way through st2 when an upgrade is planned: executions, and the queue that 2.3 gives up. Pure."""

from collections.abc import Iterator, Mapping

from rollout.facts import Facts
from rollout.model import Finding, Severity

Hosts = Mapping[str, Facts]


def executions(deployment: str, facts: Hosts, target: str) -> Iterator[Finding]:
    """Executions of st2 that are not through: a stop ends them. Counted once, as every host sees the same ones."""
    asked = {name: each for name, each in facts.items() if "st2" in each.installed}
    for name, each in asked.items():
        if count := each.evidence.get("executions-unfinished"):
            yield Finding(
                "executions-unfinished",
                Severity.WARNING,
                name,
                f"{count} executions of st2 are unfinished ({each.places['executions-unfinished']})",
                "let them finish, or cancel them: st2 execution list -s running (and requested, scheduled, paused, pending, "
                "delayed); st2 execution cancel ID",
            )
            return
    unknown = [name for name, each in asked.items() if "executions-unknown" in each.evidence]
    if unknown and len(unknown) == len(asked):
        yield Finding(
            "executions-unknown",
            Severity.NOTE,
            unknown[0],
            f"whether executions of st2 are unfinished is not known: {asked[unknown[0]].places['executions-unknown']}",
            "st2_auth in the inventory says where a token or an API key comes from: "
            "st2_auth: {from: environment, api_key: ST2_API_KEY}",
        )


def notifiers(host: Facts) -> str:
    """Why the queue of the notifier cannot be judged from HOST, "" where it can."""
    return host.places.get("queue-unknown", "") if "queue-unknown" in host.evidence else ""
