"""invoke rehearse: the upgrade of the databases, tried on copies of them."""

from invoke.context import Context

import migrations
from rollout.rehearse import COMMAND
from rollout.rehearse import rehearse as plan_of
from tasks.edge import HOSTS_HELP, command
from tasks.plan import target_of
from tasks.work import Orders, change


@command(
    help={
        "hosts": HOSTS_HELP,
        "to": "the release to rehearse; default: the deployment's target in the inventory",
        "backup": "RUN or RUN/HOP as backup.list says it; default: the newest",
        "yes": "do not ask",
        "json": "one JSON object on stdout",
    }
)
def rehearse(
    c: Context, hosts: str = "", to: str = "", backup: str = "", yes: bool = False, json: bool = False
) -> None:
    """Upgrade copies of the databases, made from a backup, by the new packages unpacked aside; st2 serves on."""
    change(
        c,
        hosts,
        Orders(COMMAND, yes, json),
        lambda d, f: plan_of(d, f, target_of(d, dict(f), to), backup, migrations.ALL),
    )
