"""invoke upgrade: the main job."""

from invoke.context import Context
from invoke.exceptions import Exit

from rollout.errors import StormliftError, UsageError
from tasks.edge import HOSTS_HELP, command, desk
from tasks.plan import PACE_HELP, pace_of, works_of
from tasks.status import show_status
from tasks.work import Orders, carry_out, finish


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the release to go to, e.g. 2.2.1; default: the deployment's target in the inventory",
        **PACE_HELP,
        "skip_unreachable": "leave out deployments with a host where nothing answers, and name them",
        "yes": "do not ask",
        "settle": "how an interrupted step ended, when asked for it: STEP=done or STEP=again",
        "json": "one JSON object on stdout",
    }
)
def upgrade(
    c: Context,
    hosts: str = "",
    to: str = "",
    batch: str = "1",
    max_failures: str = "0",
    wait_between: str = "0",
    soak: str = "10",
    gate_deadline: str = "120",
    skip_unreachable: bool = False,
    yes: bool = False,
    settle: str = "",
    json: bool = False,
) -> None:
    """Upgrade deployments: read, plan, ask, roll out, verify, report. The same command again resumes."""
    if not hosts.strip():
        raise UsageError(
            "which hosts? an upgrade always wants --hosts",
            "invoke upgrade --hosts NAME; the names: invoke inventory.show",
        )
    pace = pace_of(batch, max_failures, wait_between, soak, gate_deadline)
    orders = Orders("upgrade", yes, json, answers(settle))
    with desk(c) as sitting:
        works, planned = works_of(sitting, hosts, to, pace, skip_unreachable)
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


def answers(text: str) -> dict[str, str]:
    """--settle as step to answer. Raises UsageError."""
    found = {}
    for word in filter(None, text.split(",")):
        step, _, answer = word.partition("=")
        if answer not in ("done", "again"):
            raise UsageError(f"--settle {word!r} says not how the step ended", "expected STEP=done or STEP=again")
        found[step] = answer
    return found
