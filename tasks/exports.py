"""The road of `invoke mistral.export`: rows from a host into files, read back from the disk, named when they are proved."""

import errno
import os
import re
import resource
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.codec import Malformed
from rollout.copytext import UnknownEncoding
from rollout.errors import Inhibited, StepFailed, StormliftError, Unreachable, UsageError
from rollout.export import Incoming
from rollout.facts import mistral_host
from rollout.model import Deployment, Host
from rollout.quote import shell
from tasks.edge import VERSION, Desk
from tasks.export_files import PART, Order, Say, named, read_back, write

if TYPE_CHECKING:
    from remote.host import RemoteHost

SCHEMA = "stormlift.executions/1"
PRIVATE = "inputs and outputs of workflows can hold secrets: the files are for their owner alone (0700, 0600)"
_OTHER_ENCODING = "pg_restore it into a database whose encoding is UTF8, pg_dump -Fc that one, and name the new dump"


def every(sitting: Desk, hosts: str, to: str, dump: str, page: bool) -> Iterator[tuple[Path, dict[str, Any]]]:
    """Export every deployment that HOSTS names, one after the other; gives each one's folder and manifest."""
    if dump and not dump.startswith("/"):
        raise UsageError(
            f"--dump {dump!r} is no path from the root of the host on", "expected something like --dump /root/a.dump"
        )
    selection = sitting.select(hosts, whole=False)
    if (to or dump) and len(selection.deployments) > 1:
        names = ", ".join(each.name for each in selection.deployments)
        raise UsageError(f"--to and --dump are for one deployment, --hosts names {names}", "name one of them")
    sources = [(each.name, _source(sitting, each, selection.hosts)) for each in selection.deployments]
    for name, host in sources:
        now = time.strftime("%Y%m%d-%H%M%S", time.gmtime())
        folder = Path(to) if to else sitting.runs.with_name("exports") / f"{name}-{now}"
        yield folder, export(sitting.fleet[host], Order(name, folder, dump, page), sitting.say)


def _source(sitting: Desk, deployment: Deployment, chosen: tuple[Host, ...]) -> str:
    """The host of DEPLOYMENT to ask: the only one that was chosen, or the one among them that carries Mistral."""
    hosts = [host for host in deployment.hosts if host in chosen]
    if len(hosts) == 1:
        sitting.fleet.reach(hosts)
        return hosts[0].name
    if not (found := mistral_host(sitting.fleet.facts(hosts))):
        names = ", ".join(host.name for host in hosts)
        raise UsageError(f"none of {names} carries st2mistral", "name the host that is to be asked: --hosts HOST")
    return found


def export(link: "RemoteHost", order: Order, say: Say) -> dict[str, Any]:
    """Carry ORDER out on the host of LINK; gives the manifest. Raises UsageError, Inhibited, Unreachable, StepFailed.

    What fails before everything was read back and named leaves no folder; files that differ from their source stay, as .part.
    """
    make(order.folder)
    try:
        manifest = _written(link, order, say)
        wrong = [name for name, each in manifest["files"].items() if not each["whole"]]
        if not wrong:
            named(order.folder, manifest)
    except BaseException as error:
        shutil.rmtree(order.folder, ignore_errors=True)
        if isinstance(error, (OSError, Malformed, StepFailed, Unreachable)):
            raise _failure(link.name, order, error) from None
        raise
    if wrong:
        raise StepFailed(
            f"{order.deployment}: {', '.join(wrong)} read back differ from what {link.name} sent or counted; "
            f"they are left as *{PART} in {order.folder}",
            "check this machine's disk and memory; export again into another folder",
            host=link.name,
        )
    return manifest


def make(folder: Path) -> None:
    """Make the new FOLDER, for its owner alone. Raises UsageError: it is there, or cannot be."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700)
    except OSError as error:
        if os.path.lexists(folder):  # False, too, where nobody may look
            raise UsageError(
                f"{folder}: is there already; nothing is overwritten", "name a new folder: --to DIR"
            ) from None
        raise UsageError(f"{folder}: cannot be made: {error.strerror}", "name another folder: --to DIR") from None


def _failure(host: str, order: Order, error: OSError | Malformed | StepFailed | Unreachable) -> StormliftError:
    folder, again = order.folder, "the same command again"
    if isinstance(error, Unreachable):
        return Unreachable(f"{error.message}; no file is left", error.hint)
    if isinstance(error, StepFailed):
        # A dump that is cut off stays so, however often it is read.
        whole = f"on {host}, {shell(['pg_restore', '-f', '/dev/null', order.dump])} reads the dump to its end; when it does, "
        return StepFailed(
            f"{error.message}; no file is left", (whole if order.dump else "") + again, host=host, log=error.log
        )
    if isinstance(error, Malformed):
        return StepFailed(f"{host}: {error}; no file is left", again, host=host)
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        elsewhere = f"make room, or name a folder on another disk (--to DIR), and {again}"
        return StepFailed(f"{folder}: the disk is full; what was written there is removed", elsewhere)
    return StepFailed(f"{folder}: cannot be written: {error.strerror or error}; no file is left", again)


def _written(link: "RemoteHost", order: Order, say: Say) -> dict[str, Any]:
    started = time.time()
    words = ("mistral", "export", *(("--dump", order.dump) if order.dump else ()))
    with closing(link.stream(*words)) as blocks:
        try:
            incoming = Incoming(blocks)
        except StepFailed as error:
            raise _refusal(link.name, order, error) from None
        except UnknownEncoding as error:
            raise Inhibited(f"{link.name}: {error}", _OTHER_ENCODING) from None
        written = write(order, incoming, say)
        for _ in blocks:  # to its end: only then it is known how the program ended
            pass
    head, foot = incoming.head, incoming.foot
    assert foot is not None
    say(f"{order.deployment}: {written.rows} rows written, reading them back")
    files = {name: read_back(order.folder, name, incoming.charset, head, foot, written.page) for name in order.names}
    return {
        "schema": SCHEMA,
        "deployment": order.deployment,
        "host": link.name,
        "source": {
            "kind": head.source,
            "name": order.name_of(head),
            **head.of,
            "encoding": head.encoding,
            "read_at": head.started,
        },
        "columns": list(head.columns),
        "rows": foot.rows,
        "states": written.states,
        "copy_text": {"bytes": foot.bytes, "sha256": foot.sha256},
        "database_digest": str(foot.counted() or "") or None,
        "files": files,
        "started": started,
        "finished": time.time(),
        "peak_kib": {"controller": peak_kib(), "host": foot.rss_kib},
        "tool": f"stormlift {VERSION}",
    }


def _refusal(host: str, order: Order, error: StepFailed) -> Inhibited:
    """What the host said instead of sending anything: nothing is begun, and it must be settled first."""
    if "pg_restore cannot be run" in error.message:
        return Inhibited(error.message, "it comes with PostgreSQL's client: install that, or name a host that has it")
    if order.dump:
        found = "ls -l /var/lib/stormlift/*/backup/*/mistral.dump"
        return Inhibited(
            error.message, f"--dump takes the path on {host} of a file that pg_dump -Fc made; ours: {found}"
        )
    return Inhibited(error.message, f"invoke mistral.status --hosts {host} says more of the database")


# --- telling -------------------------------------------------------------------------------------------------


def peak_kib() -> int:
    """The most memory that this process ever had."""
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path("/proc/self/status").read_text())
    except OSError:
        found = None
    if found:
        return int(found[1])
    unit = 1024 if sys.platform == "darwin" else 1
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // unit


def told(folder: Path, manifest: dict[str, Any]) -> str:
    """An export in lines for a person."""
    source, peak = manifest["source"], manifest["peak_kib"]
    states = ", ".join(f"{state} {count}" for state, count in sorted(manifest["states"].items()))
    lines = [
        f"{manifest['deployment']}: {manifest['rows']} rows of executions_v2 from {manifest['host']} "
        f"({source['kind']} {source['name']})" + (f": {states}" if states else ""),
        f"  {folder}",
    ]
    lines += [
        f"  {name:22} {each['bytes']:>12} bytes  sha256 {each['sha256']}" for name, each in manifest["files"].items()
    ]
    counted = manifest["database_digest"]
    equal = f"the digest that the database computed: {counted}" if counted else "what pg_restore gave out of the dump"
    lines += [
        f"  read back, every file: equal to {equal}",
        f"  peak memory: controller {peak['controller'] // 1024} MiB, host {peak['host'] // 1024} MiB; "
        f"{manifest['finished'] - manifest['started']:.0f} s",
    ]
    return "\n".join(lines)
