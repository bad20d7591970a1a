"""The lab's fleet: bring it to a release, put it back, look into its hosts."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.build import Say, to_stderr
from lab.containers import Containers
from lab.digest import locked
from lab.docker import LAB, LabError, Result, docker, image_exists, image_label
from lab.keys import ADDRESS, make_keys
from lab.prepare import RELEASE_LABEL, prepare
from lab.topology import DEFAULT_RELEASE, HOSTS, RELEASES, LabHost, host, identity, members

SCHEMA = 3  # of fleet.json


@dataclass(frozen=True)
class HostStatus:
    """One container as the engine sees it; `release` is that of the image which it was started from."""

    host: str
    deployment: str
    state: str
    release: str
    port: int | None


@dataclass(frozen=True)
class Fleet:
    """Four st2 hosts, a database host, a host without systemd and a package server as one compose project.

    Fleets run side by side when project, port base (a multiple of ten) and state folder differ.
    """

    project: str = "stormlift-lab"
    port_base: int = 22010
    state_dir: Path = LAB / "state"

    def up(self, release: str = DEFAULT_RELEASE, say: Say = to_stderr, only: Iterable[str] = ()) -> None:
        """Bring the fleet to a release, whatever state it was in, and wait until all its services are active: the whole
        of it, or ONLY some deployments with the package server."""
        self.prepare(release, say)
        hosts = [found for name in only for found in members(name)] or list(HOSTS)
        with self._timed(say, f"fleet {self.project} at {release}"):
            self._boot(self._images(), hosts, "repo")

    def prepare(self, release: str, say: Say = to_stderr) -> None:
        """Everything that `up` needs, short of containers: images, keys and the fleet's state folder."""
        if release not in RELEASES:
            raise LabError(f"lab: no release {release}", f"one of {', '.join(RELEASES)}")
        images = prepare(release, say)
        with locked("fleet", self.state_dir):
            make_keys(self.state_dir, self.port_base)
            self._note(images)

    def reset(self, *deployments: str, release: str = "", say: Say = to_stderr) -> None:
        """Put single deployments (apt1, yum1, pair; sysv1, which is in none; all without a name) back to their prepared
        images, while the others go on. With a release they change to that one."""
        hosts = [found for name in deployments for found in members(name)] or list(HOSTS)
        names = deployments or ("all hosts",)
        images = self._images()
        if release:
            fresh = prepare(release, say)
            images |= {name: fresh[name] for name in ("repo", *(found.name for found in hosts))}
            with locked("fleet", self.state_dir):
                self._note(images)
        with self._timed(say, f"{', '.join(names)} put back"):
            self._boot(images, hosts)

    def snapshot(self, name: str, *deployments: str) -> None:
        """Keep what is on the disks of these deployments under a name, to be booted by `boot_snapshot`."""
        for found in (found for deployment in deployments for found in members(deployment)):
            docker("commit", self._containers().container(found.name), self._snapshot(name, found))

    def boot_snapshot(self, name: str, *deployments: str, ready: bool = False) -> None:
        """Start these deployments from a snapshot and wait until they have booted; with `ready` until every service that
        was there at preparation is active."""
        hosts = [found for deployment in deployments for found in members(deployment)]
        images = self._images() | {found.name: self._snapshot(name, found) for found in hosts}
        with locked("fleet", self.state_dir):
            containers = self._containers(images)
            containers.remove([found.name for found in hosts])
            containers.start([found.name for found in hosts])
            (containers.wait_ready if ready else containers.wait_booted)(hosts)

    def forget_snapshot(self, name: str, *deployments: str) -> None:
        """Remove a snapshot's images."""
        for found in (found for deployment in deployments for found in members(deployment)):
            docker("rmi", "--force", self._snapshot(name, found), check=False)

    def down(self) -> None:
        """Remove the fleet's containers and network; images, keys and state folder stay."""
        self._containers().remove_all()

    def status(self) -> list[HostStatus]:
        """One entry a host; a host without a container is `absent`."""
        return [self._status(found) for found in HOSTS]

    def execute(
        self, name: str, *argv: str, stdin: str | None = None, check: bool = True, timeout: float | None = None
    ) -> Result:
        """Run a command as root in a host, through the engine and not over SSH."""
        return self._containers().execute(name, *argv, stdin=stdin, check=check, timeout=timeout)

    def container(self, name: str) -> str:
        """The id of a host's container, for faults that only the engine can bring about."""
        return self._containers().container(name)

    def ssh(self, name: str, *command: str, user: str = "deploy", known_hosts: Path | None = None) -> tuple[str, ...]:
        """The ssh command line into a host, for a client that trusts nothing but the fleet's known_hosts."""
        known = known_hosts or self.state_dir / "known_hosts"
        options = ("StrictHostKeyChecking=yes", f"UserKnownHostsFile={known}", "BatchMode=yes", "IdentitiesOnly=yes")
        flags = [word for option in options for word in ("-o", option)]
        port = str(self.port_base + (host(name).offset or 0))
        key = str(self.state_dir / "id_ed25519")
        return ("ssh", "-F", "none", "-i", key, *flags, "-p", port, f"{user}@{ADDRESS}", *command)

    def download_seconds(self, seconds: float) -> None:
        """Let every package take so long from the package server to a host, from now on and until that is made anew."""
        self.execute("repo", "sh", "-c", "mkdir -p /run/lab && cat >/run/lab/package-seconds", stdin=f"{seconds}\n")

    def restart(self, name: str, *, ready: bool = True) -> None:
        """Reboot a host: shut down, start; with `ready` wait until its services are active again."""
        containers = self._containers()
        docker("restart", "--time", "60", containers.container(name))
        if ready:
            containers.wait_ready([host(name)])

    def environment(self) -> Mapping[str, str]:
        """The variables of compose.yml for this fleet, for tools that run compose themselves."""
        return self._containers(self._images()).environment

    def wait_ready(self) -> None:
        """Wait until every host has booted and all its services are active."""
        self._containers().wait_ready(HOSTS)

    @property
    def _state_file(self) -> Path:
        return self.state_dir / "fleet.json"

    def _images(self) -> dict[str, str]:
        if not self._state_file.exists():
            raise LabError(f"lab: fleet {self.project} was never up", "invoke lab.up")
        state = json.loads(self._state_file.read_text())
        if state["schema"] != SCHEMA:
            raise LabError(f"lab: {self._state_file} was written by another version of the lab", "invoke lab.up")
        return {"repo": state["repo"]} | {name: entry["image"] for name, entry in state["hosts"].items()}

    def _containers(self, images: Mapping[str, str] | None = None) -> Containers:
        return Containers(self.project, self.port_base, self.state_dir, images or {})

    def _snapshot(self, name: str, found: LabHost) -> str:
        return f"stormlift-lab/{found.name}:{self.project}-{name}"

    def _boot(self, images: Mapping[str, str], hosts: Iterable[LabHost], *more: str) -> None:
        names = [*(found.name for found in hosts), *more]
        gone = [images[name] for name in names if not image_exists(images[name])]
        if gone:
            raise LabError(f"lab: {gone[0]} is no longer there", "invoke lab.up")
        with locked("fleet", self.state_dir):
            containers = self._containers(images)
            containers.remove(names)
            containers.start(names)
            containers.wait_ready(hosts)

    def _note(self, images: Mapping[str, str]) -> None:
        entries = {found.name: self._entry(found, images[found.name]) for found in HOSTS}
        state = {"schema": SCHEMA, "project": self.project, "repo": images["repo"], "hosts": entries}
        text = json.dumps(state, indent=2)
        self._state_file.write_text(text + "\n")

    def _entry(self, found: LabHost, image: str) -> dict[str, str | int | None]:
        release = image_label(image, RELEASE_LABEL)
        return {
            "address": ADDRESS,
            "port": None if found.offset is None else self.port_base + found.offset,
            "user": "deploy",
            "deployment": found.deployment,
            "family": found.family,
            "identity": identity(found.family, release) if found.has_st2 else "",
            "release": release,
            "image": image,
        }

    def _status(self, found: LabHost) -> HostStatus:
        port = None if found.offset is None else self.port_base + found.offset
        service = f"label=com.docker.compose.service={found.name}"
        project = f"label=com.docker.compose.project={self.project}"
        form = f'{{{{.State}}}} {{{{.Label "{RELEASE_LABEL}"}}}}'
        line = docker("ps", "--all", "--filter", project, "--filter", service, "--format", form).stdout.split()
        state, release = (*line, "", "")[:2]
        return HostStatus(found.name, found.deployment, state or "absent", release, port)

    @contextmanager
    def _timed(self, say: Say, what: str) -> Iterator[None]:
        started = time.monotonic()
        yield
        say(f"lab: {what} ({time.monotonic() - started:.1f} s)")
