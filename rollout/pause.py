"""Pause and resume: what a host's journal says of them, and how a run waits. Reading only; the edge writes the records."""

from collections.abc import Callable, Iterable, Mapping

from rollout.codec import canonical
from rollout.errors import Interrupted, Unreachable
from rollout.findings import found
from rollout.journal import VERSION, Record
from rollout.model import Finding

POLL_S = 2.0
SILENT_S = 300.0  # a host that cannot be asked for this long is not waited for


def line(event: str, deployment: str, by: str, at: float, data: Mapping[str, str]) -> str:
    """The journal's line of a pause or its end; it belongs to no run."""
    head = {"v": VERSION, "run": "-", "event": event, "at": int(at), "deployment": deployment, "by": by}
    return canonical({**head, "data": dict(data)})


def newest(records: Iterable[Record]) -> Record | None:
    """The pause that holds on the host of RECORDS: the newest of "paused" and "resumed" decides."""
    last = None
    for record in records:
        if record.event in ("paused", "resumed"):
            last = record
    return last if last and last.event == "paused" else None


def of_any(found: Iterable[Record | None]) -> Record | None:
    """The pause of a deployment, from those of its hosts: any of them pauses all."""
    return max((each for each in found if each), key=lambda each: each.at, default=None)


def sentence(pause: Record) -> str:
    """By whom, since when, and why."""
    since, reason = str(pause.data.get("since", "")), str(pause.data.get("reason", ""))
    return f"paused by {pause.by}" + (f" since {since}" if since else "") + (f": {reason}" if reason else "")


def finding(deployment: str, journals: Iterable[Iterable[Record]]) -> tuple[Finding, ...]:
    """A warning when DEPLOYMENT is paused: an upgrade will wait."""
    pause = of_any(newest(records) for records in journals)
    if pause is None:
        return ()
    cause = f"{sentence(pause)}; the upgrade waits before it stops st2 there"
    return (found("paused", deployment, cause, deployment=deployment),)


def resume(deployment: str) -> str:
    """The command that ends a pause."""
    return f"invoke resume --hosts {deployment}"


def wait(
    deployment: str,
    ask: Callable[[], Record | None],
    tell: Callable[[str], None],
    clock: Callable[[], float],
    nap: Callable[[float], None],
    stopping: Callable[[], bool],
) -> None:
    """Return when DEPLOYMENT is not paused; ASK tells how it stands now, and what it last told counts while a host is silent.

    Raises Interrupted when it is to stop meanwhile, Unreachable when a host has been silent for too long.
    """
    said, pause, silent = "", None, 0.0
    while True:
        try:
            pause, silent = ask(), 0.0
        except Unreachable:
            silent = silent or clock()
            if clock() - silent >= SILENT_S:
                raise
        if pause is None and not silent:
            break
        if stopping():
            raise Interrupted(
                f"{deployment}: stopped as asked while it waited; st2 there is as it was",
                "the same command goes on from here",
            )
        if pause is not None and canonical(pause) != said:
            said = canonical(pause)
            tell(f"{deployment}: {sentence(pause)}; waiting until: {resume(deployment)}")
        nap(POLL_S)
    if said:
        tell(f"{deployment}: resumed, going on")
