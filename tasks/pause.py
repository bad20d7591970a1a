"""invoke pause and resume: hold an upgrade up where st2 still serves, from any desk."""

import secrets
import time
from collections.abc import Iterable

from invoke.context import Context

from rollout.journal import Record, open_run
from rollout.model import Deployment
from rollout.pause import line, newest, of_any, sentence
from rollout.pause import resume as resume_command
from tasks.edge import HOSTS_HELP, Desk, command, desk


@command(help={"hosts": HOSTS_HELP, "reason": "why, for whoever meets it"})
def pause(c: Context, hosts: str = "", reason: str = "") -> None:
    """Let upgrades of these deployments wait before they stop st2, a running one too; what is down goes on to its end."""
    with desk(c) as sitting:
        for deployment, journals in _journals(sitting, hosts):
            if not sitting.dry:
                why = sitting.mask(" ".join(reason.split()))
                since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
                _write(sitting, deployment, "paused", {"reason": why, "since": since})
            said = "would be paused" if sitting.dry else "paused"
            sitting.out(
                f"{deployment.name}: {said} on {', '.join(journals)}; it ends with: {resume_command(deployment.name)}"
            )
            if opened := next(filter(None, map(open_run, journals.values())), None):
                sitting.out(f"{deployment.name}: run {opened.run} is open; past its stop of st2 it goes on to its end")


@command(help={"hosts": HOSTS_HELP})
def resume(c: Context, hosts: str = "") -> None:
    """End a pause; an upgrade that waits for it goes on within seconds."""
    with desk(c) as sitting:
        for deployment, journals in _journals(sitting, hosts):
            found = of_any(map(newest, journals.values()))
            if found is None:
                sitting.out(f"{deployment.name}: not paused")
                continue
            if not sitting.dry:
                _write(sitting, deployment, "resumed", {})
            said = "would be resumed" if sitting.dry else "resumed"
            sitting.out(f"{deployment.name}: {said}; it was {sentence(found)}")


def _journals(sitting: Desk, hosts: str) -> Iterable[tuple[Deployment, dict[str, tuple[Record, ...]]]]:
    """The deployments that HOSTS names with the journals of their hosts, once all of them could be read."""
    deployments = sitting.select(hosts, whole=True).deployments
    read = sitting.fleet.everywhere((host for each in deployments for host in each.hosts), lambda each: each.records())
    return [(each, {host.name: read[host.name] for host in each.hosts}) for each in deployments]


def _write(sitting: Desk, deployment: Deployment, event: str, data: dict[str, str]) -> None:
    # A line that stands there already is not written again: the token tells two pauses of one second apart.
    told = line(event, deployment.name, sitting.by, time.time(), {**data, "token": secrets.token_hex(4)})
    sitting.fleet.everywhere(deployment.hosts, lambda each: each.record([told]))
