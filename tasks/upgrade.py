"""invoke upgrade: the main job."""

from pathlib import Path

from invoke.context import Context
from invoke.exceptions import Exit

from rollout.errors import StormliftError, UsageError
from rollout.plan_file import Asked
from tasks.edge import HOSTS_HELP, command, desk
from tasks.plan import BACKUP_HELP, PACE_HELP, WAIVE_HELP, external_of, pace_of, works_of
from tasks.plan_file import OUT_HELP, file_of, place_of, write
from tasks.planned import Flags, works_of_file
from tasks.status import show_status
from tasks.work import Orders, carry_out, finish


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the release to go to, e.g. 2.2.1; default: the deployment's target in the inventory",
        **PACE_HELP,
        "plan": "carry out just the plan that `invoke plan --out FILE` wrote; refused when what decided it has moved",
        "out": f"with --dry: {OUT_HELP}",
        **WAIVE_HELP,
        **BACKUP_HELP,
        "skip_unreachable": "leave out deployments with a host where nothing answers, and name them",
        "yes": "do not ask",
        "settle": "how an interrupted step ended, when asked for it: STEP=done or STEP=again",
        "json": "one JSON object on stdout",
    },
    iterable=["waive"],
)
def upgrade(
    c: Context,
    hosts: str = "",
    to: str = "",
    batch: str | None = None,
    max_failures: str | None = None,
    wait_between: str | None = None,
    soak: str | None = None,
    gate_deadline: str | None = None,
    plan: str = "",
    out: str = "",
    waive: list[str] | None = None,
    backup: str = "",
    reason: str = "",
    skip_unreachable: bool = False,
    yes: bool = False,
    settle: str = "",
    json: bool = False,
) -> None:
    """Upgrade deployments: read, plan, ask, roll out, verify, report. The same command again resumes."""
    if not hosts.strip() and not plan:
        raise UsageError(
            "which hosts? an upgrade always wants --hosts",
            "invoke upgrade --hosts NAME; the names: invoke inventory.show",
        )
    given = {
        "batch": batch,
        "max_failures": max_failures,
        "wait_between": wait_between,
        "soak": soak,
        "gate_deadline": gate_deadline,
    }
    pace, external = pace_of(**given), external_of(backup, reason)
    orders = Orders("upgrade", yes, json, answers(settle))
    with desk(c) as sitting:
        place = _place(out, plan, dry=sitting.dry)
        if plan:
            works, planned = works_of_file(
                sitting, plan, Flags(hosts, to, given, skip_unreachable, tuple(waive or ()), external)
            )
        else:
            works, planned = works_of(sitting, hosts, to, pace, skip_unreachable, waive or (), external)
        if place:
            write(sitting, place, file_of(works, planned, Asked(hosts, to, pace, tuple(waive or ()), external)))
        known = {step.id for work in works for phase in work.plan.phases for step in phase.steps}
        if unknown := sorted(set(orders.answers) - known):
            raise UsageError(
                f"--settle {unknown[0]} is no step of this plan", "the steps stand in brackets: invoke plan"
            )
        result = carry_out(sitting, works, planned, orders)
        if sitting.dry:
            return
        code = finish(sitting, result, orders, works[0].run)
        if not json:
            try:
                show_status(sitting, tuple(work.deployment for work in works))
            except (StormliftError, KeyboardInterrupt) as error:  # the run is over: its exit code counts
                sitting.say(f"the status cannot be read now: {error}")
    if code:
        raise Exit(code=code)


def _place(out: str, plan: str, *, dry: bool) -> Path | None:
    if out and plan:
        raise UsageError(f"--out {out}: the plan is in a file already, {plan}", "leave --out out")
    if out and not dry:
        raise UsageError(
            f"--out {out}: an upgrade writes no file, it keeps its plan on the hosts",
            "invoke plan --hosts NAME --out FILE, or add --dry",
        )
    return place_of(out)


def answers(text: str) -> dict[str, str]:
    """--settle as step to answer. Raises UsageError."""
    found = {}
    for word in filter(None, text.split(",")):
        step, _, answer = word.partition("=")
        if answer not in ("done", "again"):
            raise UsageError(f"--settle {word!r} says not how the step ended", "expected STEP=done or STEP=again")
        found[step] = answer
    return found
