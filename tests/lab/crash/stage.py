"""One deployment of the fleet on which runs are caught at a point, cut off, and taken up."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

from lab.docker import docker
from lab.fleet import Fleet
from lab.topology import deployment
from tests.lab.crash.cells import Cell, Point
from tests.lab.desk import Operator

CRASH = "/run/lab/crash"
REACH_S = 300  # until a run that was started comes to its point
END_S = 900  # until a run ends
BEFORE_STOP = ("preflight", "fetch", "before-stop")
AFTER_START = ("verify", "post-start", "settle")


class NeverReached(Exception):
    """The run ended, or time did, before it came to the point."""


@dataclass(frozen=True)
class Stage:
    """A deployment, the desk from which it is changed, and the command that does it."""

    operator: Operator
    deployment: str
    command: str = "upgrade"

    @property
    def fleet(self) -> Fleet:
        """The lab's fleet."""
        return self.operator.fleet

    def begins(self) -> "subprocess.Popen[str]":
        """Start the command with the points in place, and go on."""
        words = (self.command, "--hosts", self.deployment, "--yes")
        return self.operator.begins(*words, command=(sys.executable, "-m", "tests.lab.crash.controller"))

    def arm(self, host: str, moment: str, key: str) -> None:
        """Let HOST stop at this point, once."""
        self.fleet.execute(host, "sh", "-c", f"mkdir -p {CRASH} && cat > {CRASH}/at.new && mv {CRASH}/at.new {CRASH}/at",
                           stdin=f"{moment} {key}")  # fmt: skip

    def fail(self, host: str, key: str) -> None:
        """Let the step KEY on HOST do its work and count as failed, once."""
        self.fleet.execute(host, "sh", "-c", f"mkdir -p {CRASH} && cat > {CRASH}/fail", stdin=key)

    def wait(self, host: str, run: "subprocess.Popen[str]") -> None:
        """Wait until HOST stands at its point. Raises NeverReached."""
        look = f"n=50; until [ -e {CRASH}/reached ]; do n=$((n - 1)); [ $n -gt 0 ] || exit 1; sleep 0.1; done"
        deadline = time.monotonic() + REACH_S
        while self.fleet.execute(host, "sh", "-c", look, check=False).returncode != 0:
            if run.poll() is not None or time.monotonic() > deadline:
                said = run.communicate()[0] if run.poll() is not None else "it still runs"
                raise NeverReached(f"{host} did not come to the point; exit code {run.poll()}: {said[-2000:]}")

    def go(self, host: str) -> None:
        """Let HOST go on from where it stands."""
        self.fleet.execute(host, "touch", f"{CRASH}/go")

    def boot(self, snapshot: str, point: Point) -> float:
        """Start the deployment from a snapshot that was taken before POINT; gives the seconds that took."""
        started = time.monotonic()
        # Where the services are to run, a host on which they still start is another case than a host that lost power.
        ready = point.phase in (*BEFORE_STOP, *AFTER_START)
        self.fleet.boot_snapshot(snapshot, self.deployment, ready=ready)
        return time.monotonic() - started

    def settle(self) -> None:
        """Wait until the hosts of a run that is over have all their services: one may have lost power behind the last step."""
        for host in deployment(self.deployment).hosts:
            # The unit of a command that was killed stays failed, and such a system never says that it is running.
            self.fleet.execute(host, "systemctl", "reset-failed", "stormlift-*", check=False)
        self.fleet.wait_ready()

    def cut(self, cell: Cell, run: "subprocess.Popen[str]", usual_s: float) -> None:
        """Bring CELL's fault about, now that its host stands at its point; USUAL_S is how long the step takes undisturbed."""
        host = cell.point.hit
        if cell.moment == "during":
            self.go(host)
            time.sleep(usual_s / 2)
        self._faults()[cell.fault](host, run)
        if cell.moment != "during" and cell.fault in ("controller", "link"):
            self.go(host)

    def _faults(self) -> dict[str, "Callable[[str, subprocess.Popen[str]], None]"]:
        return {
            "controller": lambda _, run: self._kill(run),
            "link": lambda host, _: self._cut_link(host),
            "command": lambda host, _: self._kill_command(host),
            "host": lambda host, _: self._lose_power(host),
            "cut": self._kill_both,
        }

    def _kill(self, run: "subprocess.Popen[str]") -> None:
        run.kill()
        run.communicate()

    def _kill_both(self, host: str, run: "subprocess.Popen[str]") -> None:
        self._kill(run)
        self._kill_command(host)

    def _cut_link(self, host: str) -> None:
        self.fleet.execute(host, "pkill", "-KILL", "-f", "sshd: deploy", check=False)

    def _kill_command(self, host: str) -> None:
        units = "systemctl list-units --plain --no-legend 'stormlift-*' | cut -d' ' -f1"
        self.fleet.execute(host, "sh", "-c", f"for u in $({units}); do systemctl kill -s KILL $u; done", check=False)

    def _lose_power(self, host: str) -> None:
        docker("restart", "--time", "0", self.fleet.container(host))


def usual_seconds(operator: Operator, deployment: str) -> dict[str, float]:
    """How long each step took in the desk's last run of a deployment, by key and host; from the run's own events."""
    events: list[dict[str, object]] = []
    for path in sorted((operator.folder / "runs").glob("*/events.jsonl")):
        found = [json.loads(line) for line in path.read_text().splitlines()]
        if any(event.get("deployment") == deployment for event in found):
            events = found
    begun: dict[str, float] = {}
    took: dict[str, float] = {}
    for event in events:
        name = f"{event.get('step')} {event.get('host')}"
        data = event.get("data")
        at = float(data["host_time"]) if isinstance(data, dict) and "host_time" in data else 0.0
        if event["kind"] == "step-started":
            begun[name] = at
        elif event["kind"] == "step-finished" and name in begun:
            took[name] = at - begun[name]
    return took
