"""An operator at a desk: types invoke commands in a process of their own, against the tests' fleet."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from tenacity import Retrying, retry_if_result, stop_after_delay, wait_fixed

from lab.fleet import Fleet
from lab.topology import SUDO_PASSWORD

ROOT = Path(__file__).resolve().parents[2]
PORTS = {"apt1": 1, "yum1": 2, "apt2": 3, "yum2": 4}


@dataclass(frozen=True)
class Said:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """The one object on stdout."""
        return json.loads(self.out)

    @property
    def all(self) -> str:
        """Both streams, for a message when an assertion fails."""
        return f"exit {self.code}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"


@dataclass(frozen=True)
class Operator:
    """Types commands; `folder` holds the inventory and the runs of this desk."""

    folder: Path
    fleet: Fleet
    environment: dict[str, str] = field(default_factory=dict)

    def command(self, *words: str) -> list[str]:
        """The command line of `invoke WORDS`."""
        return [str(Path(sys.executable).with_name("invoke")), *words]

    def env(self) -> dict[str, str]:
        """The environment of the desk."""
        own = {"INVOKE_STORMLIFT_INVENTORY": str(self.folder), "INVOKE_STORMLIFT_RUNS": str(self.folder / "runs")}
        return {**os.environ, **own, **self.environment}

    def types(self, *words: str, cwd: Path = ROOT, stdin: str | None = None, timeout: float = 600) -> Said:
        """Run `invoke WORDS` and wait for its end."""
        given = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
        done = subprocess.run(
            self.command(*words),
            cwd=cwd,
            env=self.env(),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **given,
        )
        return Said(done.returncode, done.stdout, done.stderr)

    def begins(self, *words: str, command: tuple[str, ...] = ()) -> "subprocess.Popen[str]":
        """Start `invoke WORDS` (or COMMAND WORDS) and go on."""
        return subprocess.Popen(
            [*command, *words] if command else self.command(*words),
            cwd=ROOT,
            env=self.env(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def journal(self, host: str) -> list[dict[str, Any]]:
        """The journal of a host, as it lies there."""
        text = self.fleet.execute(host, "cat", "/var/lib/stormlift/journal", check=False).stdout
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]  # one may be half written

    def waits_for(self, host: str, event: str, step: str, run: "subprocess.Popen[str]") -> None:
        """Wait until the journal of HOST says EVENT of STEP; RUN, which is to bring that about, must still be alive."""

        def missing() -> bool:
            assert run.poll() is None, f"{step} never {event} on {host}: {run.communicate()[0]}"
            return not any(each["event"] == event and each.get("step") == step for each in self.journal(host))

        Retrying(retry=retry_if_result(bool), stop=stop_after_delay(180), wait=wait_fixed(0.2))(missing)


def write_inventory(folder: Path, fleet: Fleet, **changes: Any) -> None:
    """The lab's own inventory, with the ports and keys of FLEET, as folder/lab.yml."""
    text = yaml.safe_load((ROOT / "inventory" / "lab.yml").read_text())
    text["known_hosts"] = str(fleet.state_dir / "known_hosts")
    text["defaults"] |= {"identity": str(fleet.state_dir / "id_ed25519")}
    for name, offset in PORTS.items():
        text["hosts"][name]["port"] = fleet.port_base + offset
    password = folder / "sudo-password"
    password.write_text(SUDO_PASSWORD + "\n")
    password.chmod(0o600)
    text["hosts"]["yum2"]["sudo"] = f"file:{password}"
    for host, values in changes.items():
        text["hosts"][host] |= values
    (folder / "lab.yml").write_text(yaml.safe_dump(text))
