"""A box of the lab under measurement: made fresh, watched from outside, upgraded by the one way or the other."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

from bench.figures import EVERYTHING, Change, Measured, measured
from bench.script import script
from lab.docker import LabError, run
from lab.fleet import Fleet
from lab.keys import ADDRESS
from lab.prepare import packages
from lab.topology import host as lab_host
from rollout import catalogue

ROOT = Path(__file__).resolve().parents[1]
ORIGIN, RELEASE = "2.0.1", "2.2.1"
UPGRADE_S = 900  # the longest that one upgrade may take
SERVING_S = 120  # the longest until st2 serves on a fresh box, and again after an upgrade
LINGER_S = 2.0  # watched on, so that nothing that comes late is missed
_PROGRAM = Path(__file__).with_name("onhost") / "watch.py"
EXTERNAL = ("--backup", "external", "--reason", "measured without dumps")


class Watch:
    """What bench/onhost/watch.py sees on a host while the block runs; its process ends with the pipe to it."""

    def __init__(self, argv: tuple[str, ...]) -> None:
        self._argv = argv
        self._changes: list[Change] = []
        self._news = threading.Condition()
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> "Watch":
        """Begin to look."""
        self._process = subprocess.Popen(self._argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        threading.Thread(target=self._read, args=(self._process,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End it."""
        if self._process and self._process.stdin:
            self._process.stdin.close()
            try:
                self._process.wait(SERVING_S)
            except subprocess.TimeoutExpired:
                self._process.kill()

    def _read(self, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            with self._news:
                self._changes.append(Change(**json.loads(line)))
                self._news.notify_all()

    @property
    def changes(self) -> tuple[Change, ...]:
        """Everything that was seen so far."""
        with self._news:
            return tuple(self._changes)

    def _serving(self) -> bool:
        now = {each.what: each.up for each in self._changes}
        return all(now.get(each) for each in EVERYTHING)

    def wait_until_serving(self, seconds: float) -> None:
        """Wait until everything is up. Raises LabError when that is not so within SECONDS."""
        with self._news:
            if not self._news.wait_for(self._serving, seconds):
                down = [each for each in EVERYTHING if not {c.what: c.up for c in self._changes}.get(each)]
                raise LabError(f"bench: after {seconds:.0f} s there is no {', '.join(down)}")


@dataclass(frozen=True)
class Box:
    """The host NAME of FLEET; `folder` holds the inventory that stormlift is given, and what it keeps of its runs."""

    fleet: Fleet
    name: str
    folder: Path
    nap: Callable[[float], None] = field(default=time.sleep)

    def measure(self, way: str, *, backup: bool) -> Measured:
        """Put the box back to the old release, upgrade it by WAY ("script" or "stormlift"), and tell how long st2 was down.

        Raises LabError when the upgrade fails or does not end at the release, Unfinished when nothing can be told.
        """
        self.fleet.reset(self.name)
        ways: dict[str, Callable[[bool], tuple[int, int] | None]] = {
            "script": self._by_script,
            "stormlift": self._by_stormlift,
        }
        with self._watch() as watch:
            watch.wait_until_serving(SERVING_S)
            began = time.monotonic()
            said = ways[way](backup)
            took = time.monotonic() - began
            watch.wait_until_serving(SERVING_S)
            self.nap(LINGER_S)
            changes = watch.changes
        self._prove()
        return measured(changes, took, said)

    def _watch(self) -> Watch:
        program = _PROGRAM.read_text()
        return Watch(
            ("docker", "exec", "-i", self.fleet.container(self.name), "python3", "-c", program, *self._units())
        )

    def _units(self) -> tuple[str, ...]:
        """The units of st2 and Mistral that run now."""
        words = ("--no-legend", "--plain", "--state=active", "--type=service")
        said = self.fleet.execute(self.name, "systemctl", "list-units", *words).stdout
        running = {line.split()[0].removesuffix(".service") for line in said.splitlines() if line.strip()}
        return tuple(unit for unit in catalogue.all_units() if unit in running)

    def _by_script(self, backup: bool) -> None:
        found = lab_host(self.name)
        text = script(found.family, RELEASE, packages(found, ORIGIN), backup=backup)
        run(self.fleet.ssh(self.name, "sudo", "-n", "sh", "-s"), stdin=text, timeout=UPGRADE_S)

    def _by_stormlift(self, backup: bool) -> tuple[int, int]:
        invoke = str(Path(sys.executable).with_name("invoke"))
        words = ("upgrade", "--hosts", self.name, "--to", RELEASE, "--yes", "--json", *(() if backup else EXTERNAL))
        env = {"INVOKE_STORMLIFT_INVENTORY": str(self.folder), "INVOKE_STORMLIFT_RUNS": str(self.folder / "runs")}
        done = run((invoke, "-r", str(ROOT), *words), env=env, timeout=UPGRADE_S)
        (told,) = json.loads(done.stdout)["deployments"]
        return told["downtime_s"], told["backup_s"]

    def _prove(self) -> None:
        """Both ways end at the same: the code of the new release runs, and Mistral's database is at its head."""
        code = "import st2common; print(st2common.__version__)"
        there = self.fleet.execute(self.name, "/opt/stackstorm/st2/bin/python", "-c", code).stdout.strip()
        query = "psql -XAtqd mistral -c 'select version_num from alembic_version'"
        head = self.fleet.execute(self.name, "su", "postgres", "-c", query).stdout.strip()
        if (there, head) != (RELEASE, catalogue.mistral_head(RELEASE)):
            raise LabError(f"bench: {self.name} ended at {there}, Mistral's database at {head}")


def write_inventory(folder: Path, fleet: Fleet, names: tuple[str, ...]) -> None:
    """The boxes NAMES of FLEET as an environment for stormlift; JSON is YAML, too."""
    hosts = {name: {"address": ADDRESS, "port": fleet.port_base + (lab_host(name).offset or 0)} for name in names}
    text: dict[str, Any] = {
        "known_hosts": str(fleet.state_dir / "known_hosts"),
        "defaults": {"user": "deploy", "identity": str(fleet.state_dir / "id_ed25519")},
        "hosts": hosts,
        "deployments": {name: [name] for name in names},
    }
    (folder / "bench.yml").write_text(json.dumps(text, indent=1))
