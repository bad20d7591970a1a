"""invoke backup.*: taken, listed, proved by restoring them, put back."""

import json as json_
import time

from invoke.context import Context

from rollout import backup as backups
from rollout import backup_estimate, retention
from rollout import restore as restoring
from rollout.actions import Hosts
from rollout.errors import UsageError
from rollout.facts import Facts
from rollout.model import Deployment, DeploymentPlan
from rollout.repairs import refuse_on_the_way_back
from rollout.retention import Rule
from tasks import age
from tasks.backup_fetch import FROM_HELP, given_back, verified
from tasks.edge import HOSTS_HELP, Desk, command, desk, moment, whole_number
from tasks.fetched import found_in, read
from tasks.rollback import counted
from tasks.screen import table
from tasks.work import Orders, Work, change, fresh_run, open_work, work

_HELP = {"hosts": HOSTS_HELP, "yes": "do not ask", "json": "one JSON object on stdout"}
_BACKUP = {"backup": "RUN or RUN/HOP as backup.list says it; default: the newest"}


@command(
    help={
        **_HELP,
        "external": "leave the databases out: a snapshot of them is taken elsewhere, and --reason says which",
        "reason": "of --external; kept in the manifest",
        "keep": "afterwards keep the newest N runs that have backups; 0 is no rule",
        "keep_days": "afterwards keep what is younger than D days; 0 is no rule. With both, what either keeps",
    }
)
def create(
    c: Context,
    hosts: str = "",
    external: bool = False,
    reason: str = "",
    keep: str = "0",
    keep_days: str = "0",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Take a backup while st2 serves: configuration and keys of every host, the databases once; all of it read back."""
    reason = reason.strip()
    if external != bool(reason):
        raise UsageError(
            "--external and --reason go together", '--external --reason "snapshot of the volumes, ticket 4711"'
        )
    rule, now = Rule(whole_number(keep, "keep"), whole_number(keep_days, "keep-days")), time.time()

    def plan(deployment: Deployment, facts: Hosts) -> DeploymentPlan:
        refuse_on_the_way_back(deployment, facts)
        there = {name: each.backups for name, each in facts.items()}
        old = retention.stored(there, retention.open_runs(facts))
        holds = ("files.tar",) if reason else retention.KINDS
        gone = retention.after(facts, old, rule, now, "this run", holds) if rule != Rule() else ()
        free = {name: each.free_kib["/var"] << 10 for name, each in facts.items() if "/var" in each.free_kib}
        needs = backup_estimate.estimate(backup_estimate.sizes_of(facts), there, bool(reason))
        return backups.create(deployment, facts, reason, gone, backup_estimate.text(needs, free))

    change(c, hosts, Orders("backup.create", yes, json), plan)


@command(name="list", help={"hosts": HOSTS_HELP, "json": "one JSON object on stdout"})
def list_(c: Context, hosts: str = "", json: bool = False) -> None:
    """List the backups that lie on the hosts; changes nothing."""
    with desk(c) as sitting:
        deployments = sitting.select(hosts, whole=True).deployments
        facts = sitting.fleet.facts((host for each in deployments for host in each.hosts), evidence=False)
        data = backups.listed({each.name: {host.name: facts[host.name] for host in each.hosts} for each in deployments})
        sitting.out(
            json_.dumps(data, indent=1)
            if json
            else table(*backups.rows(data, moment))
            if data["backups"]
            else "no backup is there"
        )


@command(help={**_HELP, **_BACKUP, **FROM_HELP})
def verify(
    c: Context,
    hosts: str = "",
    backup: str = "",
    from_: str = "",
    identity: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Hold every file against the manifest, restore the dumps into scratch databases, compare, and drop those again.

    With --from DIR: hold a backup that was fetched against its digests; no host is asked.
    """
    if from_:
        verified(c, from_, identity, json)
        return
    change(c, hosts, Orders("backup.verify", yes, json), lambda d, f: restoring.verify(d, f, backup))


@command(help={**_HELP, **_BACKUP, **FROM_HELP})
def restore(
    c: Context,
    hosts: str = "",
    backup: str = "",
    from_: str = "",
    identity: str = "",
    yes: bool = False,
    json: bool = False,
) -> None:
    """Put configuration and databases back as a backup of the installed release has them; st2 is stopped meanwhile.

    With --from DIR a backup that was fetched is given to its hosts first; they may have been set up anew.
    """
    having = age.identities(identity) if identity else ()
    folder = found_in(from_) if from_ else None
    if folder:
        with desk(c) as sitting:
            names = [each.name for each in sitting.select(hosts, whole=True).deployments]
        if len(names) > 1:
            raise UsageError(f"--from is for one deployment, --hosts names {', '.join(names)}", "name one of them")

    def back(sitting: Desk, deployment: Deployment, facts: dict[str, Facts]) -> Work:
        asked = read(folder).name if folder else backup
        if resumed := open_work(sitting, deployment, facts, restoring.COMMAND):
            name = restoring.taken_from(resumed.plan)
            if asked not in ("", name, name.partition("/")[0]):
                raise UsageError(
                    f"{deployment.name}: a restore of {name} is open, {asked} was asked for",
                    f"finish it first: invoke backup.restore --hosts {deployment.name}",
                )
            return resumed
        restoring.refuse_while_open(deployment, facts)
        name = backup
        if folder:
            name = given_back(sitting, deployment, facts, folder, having, yes)
            facts = sitting.fleet.facts(deployment.hosts)
        parts = restoring.parts_of(deployment, facts, name)
        return Work(
            deployment, restoring.restore(deployment, facts, parts, counted(sitting, parts)), facts, fresh_run()
        )

    work(c, hosts, Orders(restoring.COMMAND, yes, json), back)
