"""Containers of one compose project: start, wait until they are ready, run commands in them, throw them away."""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from lab.docker import LAB, LabError, Result, compose, docker
from lab.topology import HOSTS, LabHost

READY_SECONDS = 90  # a host boots in 3 s on an idle machine, and in half a minute on a crowded one


@dataclass(frozen=True)
class Containers:
    """The containers of one project; `images` names the image of each host, and that of the package server as `repo`."""

    project: str
    port_base: int
    state_dir: Path
    images: Mapping[str, str]

    @property
    def environment(self) -> dict[str, str]:
        """What compose.yml reads."""
        images = {host.image_variable: self.images[host.name] for host in HOSTS}
        return {
            **images,
            "LAB_IMAGE_REPO": self.images["repo"],
            "LAB_PORTS": str(self.port_base // 10),
            "LAB_STATE": str(self.state_dir),
        }

    def start(self, names: Iterable[str] = ()) -> None:
        """Create and start services (all without a name) from their images."""
        compose(self.project, self.environment, "up", "-d", "--no-build", "--no-deps", *names)

    def wait_ready(self, hosts: Iterable[LabHost]) -> None:
        """Wait until the hosts have booted and every unit noted at preparation is active."""
        script = (LAB / "ready.sh").read_text()
        each(hosts, lambda host: self.execute(host.name, "sh", "-s", str(READY_SECONDS), stdin=script))

    def wait_booted(self, hosts: Iterable[LabHost]) -> None:
        """Wait until the hosts have booted, whatever their services do."""
        systemd = "systemctl is-system-running --wait 2>/dev/null | grep -qE 'running|degraded'"
        each(
            hosts,
            lambda host: self.execute(
                host.name,
                "sh",
                "-c",
                f"until {'service ssh status' if host.family == 'sysv' else systemd}; do sleep 0.3; done",
                timeout=READY_SECONDS,
            ),
        )

    def execute(
        self, name: str, *argv: str, stdin: str | None = None, check: bool = True,
        timeout: float | None = None, env: Mapping[str, str] | None = None,
    ) -> Result:  # fmt: skip
        """Run a command as root in a service's container."""
        flags = [flag for key, value in (env or {}).items() for flag in ("--env", f"{key}={value}")]
        if stdin is not None:
            flags.append("--interactive")
        try:
            return docker("exec", *flags, self.container(name), *argv, stdin=stdin, check=check, timeout=timeout)
        except LabError as error:
            raise LabError(f"{name}: {error.message}", error.hint) from error

    def container(self, name: str) -> str:
        """The id of a service's container, running or not."""
        found = self._ids("--filter", f"label=com.docker.compose.service={name}")
        if not found:
            raise LabError(f"{name}: project {self.project} has no such container", "invoke lab.up")
        return found[0]

    def remove(self, names: Iterable[str] | None = None) -> None:
        """Kill and remove containers at once: of some services, or all of the project."""
        ids = self._ids() if names is None else [
            found for name in names for found in self._ids("--filter", f"label=com.docker.compose.service={name}")
        ]  # fmt: skip
        if ids:
            docker("rm", "--force", "--volumes", *ids)

    def remove_all(self) -> None:
        """Remove every container and the network of the project."""
        self.remove()
        networks = docker("network", "ls", "--quiet", "--filter", f"label=com.docker.compose.project={self.project}")
        if networks.stdout.split():
            docker("network", "rm", *networks.stdout.split())

    def _ids(self, *filters: str) -> list[str]:
        project = f"label=com.docker.compose.project={self.project}"
        return docker("ps", "--all", "--quiet", "--filter", project, *filters).stdout.split()


def each(hosts: Iterable[LabHost], work: Callable[[LabHost], object]) -> None:
    """Do the same on several hosts at once; the first failure is raised when all are through."""
    todo = list(hosts)
    with ThreadPoolExecutor(max_workers=max(1, len(todo))) as pool:
        for done in [pool.submit(work, host) for host in todo]:
            done.result()
