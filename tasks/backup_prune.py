"""invoke backup.prune: remove the backups that are kept no longer."""

import time

from invoke.context import Context

from rollout import retention
from rollout.actions import Hosts
from rollout.errors import UsageError
from rollout.model import Deployment, DeploymentPlan
from rollout.repairs import refuse_on_the_way_back
from rollout.retention import PRUNE, Rule
from tasks.edge import HOSTS_HELP, command, whole_number
from tasks.work import Orders, change


@command(
    help={
        "hosts": HOSTS_HELP,
        "keep": "keep the newest N runs that have backups; 0 is no rule",
        "keep_days": "keep what is younger than D days; 0 is no rule. With both, what either keeps",
        "yes": "do not ask",
        "json": "one JSON object on stdout",
    }
)
def prune(
    c: Context, hosts: str = "", keep: str = "0", keep_days: str = "0", yes: bool = False, json: bool = False
) -> None:
    """Remove old backups from the hosts, after it was shown which; the newest of each host and those of open runs stay."""
    if not hosts.strip():
        raise UsageError(
            "which hosts? what is removed is gone: --hosts is always wanted", "invoke backup.prune --hosts NAME"
        )
    rule, now = Rule(whole_number(keep, "keep"), whole_number(keep_days, "keep-days")), time.time()

    def plan(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
        refuse_on_the_way_back(deployment, facts)  # it goes by a backup, whose own run may be closed
        parts = {name: each.backups for name, each in facts.items()}
        found = retention.stored(parts, retention.open_runs(facts))
        return retention.prune(deployment, facts, found, rule, now)

    change(c, hosts, Orders(PRUNE, yes, json), plan)
