"""invoke path: the way between two releases, with reasons and sources; needs no host."""

import json as json_

from invoke.context import Context
from invoke.exceptions import Exit

import migrations
from rollout import catalogue
from rollout.errors import PlanRefused, UsageError
from rollout.route import route, route_text
from rollout.versions import order
from tasks.edge import command, desk


@command(
    name="path",
    help={
        "from_": "the release that is there, e.g. 2.0.1; as the package manager writes it, too: 1:2.0.1-6.el7",
        "to": "the release to come to; without it the last one that the distribution reaches",
        "distro": f"one of {', '.join(catalogue.DISTROS)}",
        "json": "one JSON object on stdout",
    },
)
def path(c: Context, from_: str = "", to: str = "", distro: str = "", json: bool = False) -> None:
    """Show the stops and steps between two releases; touches no host."""
    if not from_:
        raise UsageError("from which release? --from is missing", "invoke path --from 2.0.1 --to 2.2.1")
    with desk(c) as sitting:
        found = route(from_, to or _last(distro), migrations.ALL, distro)
        sitting.out(json_.dumps(found.to_json(), indent=1) if json else route_text(found))
        if found.refused:
            sitting.say(f"stormlift: {found.refused}")
            sitting.say(f"stormlift: hint: {found.hint}")
            raise Exit(code=PlanRefused.exit_code)


def _last(distro: str) -> str:
    where = catalogue.DISTROS.get(distro)
    return catalogue.newest_for(where) if where else max(catalogue.RELEASES, key=order)
