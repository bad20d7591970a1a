"""invoke plan: what an upgrade would do; changes nothing."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import replace

from invoke.context import Context

import migrations
from rollout import concerns, pause, preflight
from rollout.batches import Pace
from rollout.errors import NoAnswer, UsageError
from rollout.facts import Facts
from rollout.model import Deployment, Finding
from rollout.plan import Plan, Skipped, hops_of, whole
from rollout.plan import plan as plan_of
from rollout.plan_file import Asked
from rollout.status import reachable
from rollout.text import plan_text
from rollout.waivers import Waiver, idle, read, waived
from tasks.edge import HOSTS_HELP, Desk, command, desk, whole_number
from tasks.plan_file import OUT_HELP, file_of, place_of, write
from tasks.work import Work, fresh_run, open_work, stop_if_inhibited


def target_of(deployment: Deployment, facts: dict[str, Facts], to: str) -> str:
    """--to, else the deployment's target in the inventory. Raises UsageError that lists what can be reached."""
    if target := to or deployment.target:
        return target
    first = next(iter(facts.values()))
    ways = ", ".join(reachable(first.release, first.distro)) if first.release else ""
    raise UsageError(
        f"{deployment.name}: no target", f"add --to RELEASE, or target: in the inventory; from {first.release}: {ways}"
    )


def works_of(
    sitting: Desk,
    hosts: str,
    to: str,
    pace: Pace,
    skip_unreachable: bool = False,
    waive: Iterable[str] = (),
    external: str = "",
) -> tuple[list[Work], Plan]:
    """Facts and a plan for every deployment that HOSTS names; a run that is open keeps the plan that it began with."""
    waivers = waivers_of(waive)
    selected = sitting.select(hosts, whole=True).deployments
    skipped = unreachable(sitting, selected) if skip_unreachable else ()
    deployments = [each for each in selected if each.name not in {left_out.name for left_out in skipped}]
    facts = sitting.fleet.facts((host for deployment in deployments for host in deployment.hosts), work=True)
    run = fresh_run()
    works = [
        work_of(sitting, each, {host.name: facts[host.name] for host in each.hosts}, to, run, waivers, external)
        for each in deployments
    ]
    findings = findings_of(works, waivers)
    _say_idle(sitting, works, waivers, findings)
    return works, whole((work.plan for work in works), pace, findings, sitting.hooks, skipped)


def waivers_of(words: Iterable[str]) -> tuple[Waiver, ...]:
    """The words of --waive, of the command line or of a plan's file. Raises UsageError."""
    return read(words, (step for migration in migrations.ALL for step in migration.steps))


def findings_of(works: Sequence[Work], waivers: Sequence[Waiver] = ()) -> tuple[Finding, ...]:
    """What was found for all of WORKS; a run that is taken up was looked at when it began."""
    findings = waived(preflight.shared_databases({work.deployment.name: work.facts for work in works}), waivers)
    for work in works:
        findings += work.plan.findings if not work.resumed else ()
        if not work.plan.empty:
            findings += pause.finding(work.deployment.name, (each.journal for each in work.facts.values()))
    return findings


def unreachable(sitting: Desk, deployments: tuple[Deployment, ...]) -> tuple[Skipped, ...]:
    """The deployments with a host where nothing answers. Raises NoAnswer when no deployment is left."""
    silent = sitting.fleet.silent(host for each in deployments for host in each.hosts)
    skipped = []
    for each in deployments:
        names = tuple(host.name for host in each.hosts)
        if reasons := [silent[name].message for name in names if name in silent]:
            skipped.append(Skipped(each.name, names, "; ".join(reasons)))
    if len(skipped) == len(deployments):
        first = next(iter(silent.values()))
        raise NoAnswer("\n".join(error.message for error in silent.values()), first.hint)
    return tuple(skipped)


def work_of(
    sitting: Desk,
    deployment: Deployment,
    facts: dict[str, Facts],
    to: str,
    run: str,
    waivers: Sequence[Waiver] = (),
    external: str = "",
) -> Work:
    """The plan of one DEPLOYMENT, as FACTS make it; a run that is open keeps its own. Raises PlanRefused, UsageError."""
    resumed = open_work(sitting, deployment, facts)
    if resumed:
        if to and to != resumed.plan.target:
            raise UsageError(
                f"{deployment.name}: run {resumed.run} to {resumed.plan.target} is open, --to says {to}",
                f"finish it first: invoke upgrade --hosts {deployment.name}",
            )
        return resumed
    target = target_of(deployment, facts, to)
    plan = plan_of(deployment, facts, target, migrations.ALL, waivers=waivers, external=external)
    stops = tuple(dict.fromkeys(phase.hop for phase in plan.phases))
    findings = preflight.inspect(deployment.name, facts, target, stops)
    findings += concerns.findings(facts, hops_of(facts, target, migrations.ALL))
    findings = tuple(each for each in findings if not (external and each.key in OF_DUMPS))
    return Work(deployment, replace(plan, findings=waived(findings, waivers, deployment.name)), facts, run)


def _say_idle(sitting: Desk, works: list[Work], waivers: Sequence[Waiver], findings: Sequence[Finding]) -> None:
    kept = [finding for work in works if work.resumed for finding in work.plan.findings]
    for each in idle(waivers, [*findings, *kept]):
        sitting.say(f"nothing to waive: {each} was not found")


WAIVE_HELP = {
    "waive": "go on all the same: KEY=REASON, or KEY@HOST=REASON; the reason is journalled; may be given again"
}

# Who dumps nothing needs no tool for it, and nobody to log in.
OF_DUMPS = ("dump-tools-missing", "store-tools-missing", "store-unreadable")

BACKUP_HELP = {
    "backup": "external: the databases are not dumped, as a snapshot of them is taken elsewhere; --reason says which",
    "reason": "of --backup external; kept in the journal and in the backup's manifest",
}


def external_of(backup: str, reason: str) -> str:
    """Why databases are not dumped, "" where they are. Raises UsageError."""
    again = '--backup external --reason "snapshot of the volumes, ticket 4711"'
    if backup not in ("", "external"):
        raise UsageError(f"--backup {backup!r} is no way to keep the databases", f"leave it out, or: {again}")
    if bool(backup) != bool(reason.strip()):
        raise UsageError("--backup external and --reason go together", again)
    return reason.strip()


PACE_HELP = {
    "batch": "deployments at a time: a number, a percentage, or a ramp such as 1,25%,100%; the first batch is the canary",
    "max_failures": "how many deployments may fail, over the whole run, before no further batch is begun",
    "wait_between": "seconds to wait between two batches",
    "soak": "seconds that a batch must be healthy without a break before the next one is begun",
    "gate_deadline": "seconds in which a batch must have become so, or it counts as failed; 0: no health is asked for",
}


def pace_of(
    batch: str | None = None,
    max_failures: str | None = None,
    wait_between: str | None = None,
    soak: str | None = None,
    gate_deadline: str | None = None,
) -> Pace:
    """The flags of PACE_HELP as a Pace; None is one that was not given. Raises UsageError."""
    usual = Pace()
    pace = Pace(
        usual.batch if batch is None else batch,
        _whole(max_failures, "max-failures", usual.max_failures),
        _whole(wait_between, "wait-between", usual.wait_between_s),
        _whole(soak, "soak", usual.soak_s),
        _whole(gate_deadline, "gate-deadline", usual.gate_deadline_s),
    )
    pace.check()
    return pace


def _whole(text: str | None, flag: str, usual: int) -> int:
    return usual if text is None else whole_number(text, flag)


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the release to plan for, e.g. 2.2.1",
        **PACE_HELP,
        "out": OUT_HELP,
        **WAIVE_HELP,
        **BACKUP_HELP,
        "json": "one JSON object on stdout",
    },
    iterable=["waive"],
)
def plan(
    c: Context,
    hosts: str = "",
    to: str = "",
    batch: str = "1",
    max_failures: str = "0",
    wait_between: str = "0",
    soak: str = "10",
    gate_deadline: str = "120",
    out: str = "",
    waive: list[str] | None = None,
    backup: str = "",
    reason: str = "",
    json: bool = False,
) -> None:
    """Read every host and show what an upgrade would do, and in which batches; changes nothing."""
    pace = pace_of(batch, max_failures, wait_between, soak, gate_deadline)
    external = external_of(backup, reason)
    with desk(c) as sitting:
        place = place_of(out)
        works, planned = works_of(sitting, hosts, to, pace, waive=waive or (), external=external)
        sitting.out(_json(planned) if json else plan_text(planned))
        if place:
            write(sitting, place, file_of(works, planned, Asked(hosts, to, pace, tuple(waive or ()), external)))
        stop_if_inhibited(planned)


def _json(planned: Plan) -> str:
    return json.dumps(planned.to_json(), indent=1)
