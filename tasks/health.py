"""invoke health: whether st2 really serves; reads only, unless it is to exercise."""

import json as json_
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

from invoke.context import Context
from invoke.exceptions import Exit

from rollout.errors import PlanRefused, StormliftError, Unreachable
from rollout.facts import Facts
from rollout.health import Checked, checks, report
from rollout.model import Deployment
from tasks.edge import HOSTS_HELP, Desk, command, desk
from tasks.screen import table


@command(
    help={
        "hosts": HOSTS_HELP,
        "exercise": "run core.local as well, which leaves an execution",
        "json": "one JSON object on stdout",
    }
)
def health(c: Context, hosts: str = "", exercise: bool = False, json: bool = False) -> None:
    """Look whether st2 serves: packages whole, units up, API, auth and stream answering, Mistral at its head."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        facts = sitting.fleet.facts(selection.hosts, evidence=False)
        asked = [
            Checked(deployment.name, host, step)
            for deployment, here in _by_deployment(selection.deployments, facts)
            for step in checks(here, exercise=exercise and not sitting.dry)
            for host in step.hosts
        ]
        with ThreadPoolExecutor(max(1, len(facts))) as pool:
            found = [each for every in pool.map(lambda name: _looked(sitting, name, asked), facts) for each in every]
        sick = [each for each in found if each.wrong]
        rows = [(each.host, each.step.title, each.wrong or "yes") for each in found]
        sitting.out(json_.dumps(report(found), indent=1) if json else table(("host", "check", "is so"), rows))
        if sick:
            raise Exit(code=PlanRefused.exit_code)


def _by_deployment(
    deployments: tuple[Deployment, ...], facts: dict[str, Facts]
) -> Iterator[tuple[Deployment, dict[str, Facts]]]:
    for each in deployments:
        yield each, {host.name: facts[host.name] for host in each.hosts if host.name in facts}


def _looked(sitting: Desk, host: str, asked: list[Checked]) -> list[Checked]:
    """The checks of one host, one after the other, over its one connection. Raises Unreachable."""
    return [_one(sitting, each) for each in asked if each.host == host]


def _one(sitting: Desk, each: Checked) -> Checked:
    try:
        sitting.fleet[each.host].probe("at-once", *each.step.argv[1:])
    except Unreachable:
        raise
    except StormliftError as error:
        said = [line for line in getattr(error, "log", "").splitlines() if line.strip()]
        return Checked(each.deployment, each.host, each.step, said[-1] if said else error.message)
    return each
