"""One slow step on one host of the lab, and nothing of a plan around it.

`python -m tests.lab.slow STATE_DIR PORT_BASE HOST RUN` is a controller that carries it out, in a process that can be killed.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lab.fleet import Fleet
from lab.keys import ADDRESS
from lab.topology import SUDO_PASSWORD, host
from remote.host import RemoteHost
from rollout import journal
from rollout.codec import canonical
from rollout.execute import Job, Told
from rollout.journal import Todo
from rollout.model import Host, Phase, Repeat, Step
from rollout.secret import Mask, Secret

STATE = "/var/lib/stormlift"
DIARY = "/var/lib/slow-step"
GO = "/var/lib/slow-step.go"
LINES = 5
ROOT = Path(__file__).resolve().parents[2]
KEY = "2.2.1:slow"
WHOLE = [f"line {number}" for number in range(1, LINES + 1)]


def step(repeat: Repeat) -> Step:
    """The step: lines into its log and into the diary, which no run of it empties; after two of them it waits for GO.

    Whoever tests what happens in its middle says when that is over, so it is no matter of seconds on a slow machine.
    """
    wait = f"[ $n != 2 ] || until [ -e {GO} ]; do sleep 0.1; done"
    talk = f"for n in $(seq {LINES}); do echo line $n; echo line $n >>{DIARY}; {wait}; done"
    done = ("grep", "-qx", f"line {LINES}", DIARY)
    return Step("slow", "a slow step", Phase.PACKAGES, ("sh", "-c", talk), repeat=repeat, postcondition=done)


@dataclass(frozen=True)
class Bench:
    """A host and what was done there in one run."""

    fleet: Fleet
    name: str
    run: str
    repeat: Repeat = Repeat.SAFE

    def link(self) -> RemoteHost:
        """A desk of its own: a new connection that knows nothing of any other."""
        found, state = host(self.name), self.fleet.state_dir
        password = Secret(SUDO_PASSWORD) if found.asks_sudo_password else None
        port = self.fleet.port_base + (found.offset or 0)
        sudo = "ask" if password else "nopasswd"
        at = Host(self.name, ADDRESS, port, "deploy", identity=str(state / "id_ed25519"), sudo=sudo)
        return RemoteHost(at, state / "known_hosts", Mask(), password)

    def jobs(self, known: tuple[journal.Record, ...] = ()) -> tuple[Job, ...]:
        """What is to be done, by what the host's journal KNOWS; nothing when it is done."""
        todo = journal.decide(KEY, step(self.repeat), self.run, known)
        head = {"v": journal.VERSION, "run": self.run, "host": self.name, "step": KEY}
        return (Job(todo, KEY, canonical(head)[:-1]),) if isinstance(todo, Todo) else ()

    def told(self, link: RemoteHost, known: tuple[journal.Record, ...] = ()) -> Iterator[Told]:
        """What the host tells while LINK carries the step out, or attaches to it."""
        return link.change(self.run, self.jobs(known))

    def begins(self) -> "subprocess.Popen[str]":
        """A controller in a process of its own that has just seen the step start."""
        words = [str(self.fleet.state_dir), str(self.fleet.port_base), self.name, self.run]
        controller = subprocess.Popen(
            [sys.executable, "-m", "tests.lab.slow", *words],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert controller.stdout
        first = controller.stdout.readline()
        assert first.startswith("{") and json.loads(first)["kind"] == "started", first + controller.stdout.read()
        return controller

    def root(self, script: str) -> str:
        """What a shell of root's says there, over the engine and not over SSH."""
        return self.fleet.execute(self.name, "sh", "-c", script, check=False).stdout.strip()

    def diary(self) -> list[str]:
        """Every line that the step ever wrote."""
        return self.root(f"cat {DIARY}").splitlines()

    def goes_on(self) -> None:
        """The step need not wait any longer; a later run of it will not wait at all."""
        self.root(f"touch {GO}")

    def clean(self) -> None:
        """Nothing of any run is left on the host."""
        self.root(
            f"rm -rf {STATE} {DIARY} {GO}; ! command -v systemctl >/dev/null || systemctl reset-failed 'stormlift-*'"
        )


def as_json(told: Told) -> str:
    """TOLD as a line."""
    return json.dumps(asdict(told))


def from_json(line: str) -> Told:
    """TOLD from a line."""
    values: dict[str, Any] = json.loads(line)
    return Told(**values)


def main(state_dir: str, port_base: str, name: str, run: str) -> None:
    """Carry the step out and print what is told."""
    bench = Bench(Fleet("", int(port_base), Path(state_dir)), name, run)
    link = bench.link()
    for told in bench.told(link):
        print(as_json(told), flush=True)
    link.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
