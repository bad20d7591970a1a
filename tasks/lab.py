"""invoke lab.*: a fleet of systemd hosts in containers, to try everything on."""

from invoke.context import Context

from rollout.errors import UsageError
from tasks.edge import command


@command(help={"release": "the st2 release that the fleet is put (back) to, e.g. 1.4.0"})
def up(c: Context, release: str = "2.0.1") -> None:
    """Start the lab's fleet, or put the running one back to a release."""
    from lab.docker import LabError
    from lab.fleet import Fleet

    try:
        Fleet().up(release)
    except LabError as error:
        raise UsageError(str(error), getattr(error, "hint", "")) from None
    _show()


@command()
def down(c: Context) -> None:
    """Stop the lab's fleet and remove its containers; images stay."""
    from lab.fleet import Fleet

    Fleet().down()


@command()
def status(c: Context) -> None:
    """Show the lab's containers."""
    _show()


def _show() -> None:
    from lab.fleet import Fleet
    from tasks.screen import table

    rows = [
        (each.host, each.deployment or "-", each.state, each.release or "-", str(each.port or "-"))
        for each in Fleet().status()
    ]
    print(table(("host", "deployment", "container", "prepared at", "ssh port"), rows))
