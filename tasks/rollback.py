"""invoke rollback: take a deployment back to what an upgrade found."""

from invoke.context import Context

from rollout import restore
from rollout.errors import StormliftError, UsageError
from rollout.facts import Facts
from rollout.model import Deployment
from rollout.repairs import refuse_on_the_way_back
from rollout.restore import Lost, Parts
from rollout.rollback import COMMAND, parts_of_run, undoes
from rollout.rollback import rollback as plan_of
from rollout.undone import undone
from tasks.edge import HOSTS_HELP, Desk, command, moment
from tasks.upgrade import answers
from tasks.work import Orders, Work, fresh_run, open_work, work


@command(
    help={
        "hosts": HOSTS_HELP,
        "run": "the upgrade that is undone; default: the newest",
        "yes": "do not ask",
        "settle": "how an interrupted step ended, when asked for it: STEP=done or STEP=again",
        "json": "one JSON object on stdout",
    }
)
def rollback(
    c: Context, hosts: str = "", run: str = "", yes: bool = False, settle: str = "", json: bool = False
) -> None:
    """Put packages, configuration, databases and units back as an upgrade found them. The same command again resumes."""
    if not hosts.strip():
        raise UsageError(
            "which hosts? a rollback always wants --hosts",
            "invoke rollback --hosts NAME; the names: invoke inventory.show",
        )
    orders = Orders(COMMAND, yes, json, answers(settle))
    work(c, hosts, orders, lambda sitting, deployment, facts: work_of(sitting, deployment, facts, run))


def work_of(sitting: Desk, deployment: Deployment, facts: dict[str, Facts], run: str) -> Work:
    """The way back of one DEPLOYMENT; one that is open keeps its plan. Raises PlanRefused."""
    if resumed := open_work(sitting, deployment, facts, COMMAND):
        if run not in ("", undoes(resumed.plan)):
            raise UsageError(
                f"{deployment.name}: a rollback of run {undoes(resumed.plan)} is open, --run says {run}",
                f"finish it first: invoke rollback --hosts {deployment.name}",
            )
        return resumed
    refuse_on_the_way_back(deployment, facts)
    found = undone(deployment, facts, run)
    parts = parts_of_run(deployment, facts, found) if found.touched else {}
    return Work(deployment, plan_of(deployment, facts, found, counted(sitting, parts)), facts, fresh_run())


def counted(sitting: Desk, parts: Parts) -> Lost:
    """What was stored since the backup, as the databases count it now."""
    taken = max((each.at for each in parts.values()), default=0)
    return Lost(
        moment(taken),
        _since(sitting, parts, "store", "store.archive"),
        _since(sitting, parts, "mistral", "mistral.dump"),
    )


def _since(sitting: Desk, parts: Parts, verb: str, file: str) -> int | None:
    if not (host := restore.holder(parts, file)):
        return 0
    try:
        said = sitting.fleet[host].probe(verb, "since", str(parts[host].at)).split()
    except StormliftError:  # a database that is broken cannot count, and is put back for that very reason
        return None
    return int(said[-1]) if said and said[-1].isdigit() else None
