"""invoke locks.*: who works on a deployment."""

from invoke.context import Context

from rollout.errors import PlanRefused
from rollout.locks import DEAD_S
from tasks.edge import HOSTS_HELP, command, desk
from tasks.screen import table


@command(help={"hosts": HOSTS_HELP})
def show(c: Context, hosts: str = "") -> None:
    """Show the lock of each host: holder, run, what for, last sign of life."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=False)
        facts = sitting.fleet.facts(selection.hosts, evidence=False)
        rows = [
            (name, lock.by, lock.run, lock.message, f"{lock.age} s ago")
            if (lock := each.lock)
            else (name, "-", "-", "-", "-")
            for name, each in facts.items()
        ]
        sitting.out(table(("host", "holder", "run", "for", "sign of life"), rows))


@command(help={"hosts": HOSTS_HELP, "yes": "do not ask"})
def release(c: Context, hosts: str = "", yes: bool = False) -> None:
    """Take away the lock of a dead holder; refused while it still gives signs of life."""
    with desk(c) as sitting:
        selection = sitting.select(hosts, whole=True)
        facts = sitting.fleet.facts((h for each in selection.deployments for h in each.hosts), evidence=False)
        locked = {name: each.lock for name, each in facts.items() if each.lock}
        for name, lock in locked.items():
            if lock.age < DEAD_S:
                raise PlanRefused(
                    f"{name}: {lock.by} gave a sign of life {lock.age} s ago",
                    "wait for it, or stop it there with Ctrl-C",
                )
        if not locked:
            sitting.out("no lock is held")
            return
        held = ", ".join(f"{name} ({lock.by}, run {lock.run})" for name, lock in locked.items())
        if sitting.dry:
            return
        sitting.confirm(f"release the lock of {held}?", yes)
        for name, lock in locked.items():
            sitting.fleet[name].release(lock.token, sitting.by)
            sitting.out(f"{name}: released")
