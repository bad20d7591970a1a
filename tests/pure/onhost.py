"""The real program of remote/onhost, run by one of the shells that hosts have on a state directory of the test's own."""

import os
import shutil
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from remote import program
from rollout import journal
from rollout.execute import Job
from rollout.journal import Record

PATIENCE_S = 20.0
SHELLS = ("dash", "bash", "busybox")  # setup.sh sees to it that they are there


class OnHost:
    """A host's state directory, and the program working on it; `sh` is SHELL there."""

    def __init__(self, folder: Path, shell: str = "dash") -> None:
        self.folder = folder
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self._bin = folder / "bin"
        self._bin.mkdir()
        self.install("sh", shell)
        self._program = folder / "program.sh"
        self._program.write_text(program.program())
        self.environment = {
            **os.environ,
            "PATH": f"{self._bin}:{os.environ['PATH']}",
            "STORMLIFT_STATE": str(self.state),
            "STORMLIFT_STACK": str(folder / "stack"),
        }

    def install(self, name: str, program: str) -> None:
        """Let NAME be PROGRAM on this host."""
        found = shutil.which(program)
        assert found, f"{program} is not installed: ./setup.sh"
        (self._bin / name).symlink_to(found)

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of the program."""
        done = self.begin([str(self._program), *words])
        out, err = done.communicate(timeout=PATIENCE_S)
        return subprocess.CompletedProcess(done.args, done.returncode, out, err)

    def given(self, data: bytes, *words: str) -> subprocess.CompletedProcess[bytes]:
        """Run one verb of the program with DATA on its standard input."""
        command = [str(self._bin / "sh"), str(self._program), *words]
        return subprocess.run(
            command, env=self.environment, input=data, capture_output=True, timeout=PATIENCE_S, check=False
        )

    def run(self, run: str, segment: str, jobs: Sequence[Job], token: str = "") -> list[str]:
        """Let the runner work through JOBS here and now; gives its event lines."""
        folder = self.segment(run, segment)
        folder.mkdir(parents=True)
        (folder / "request").write_text(program.request(token, jobs))
        (folder / "events").touch()
        done = self.call("run-segment", str(folder), str(self._program))
        assert done.returncode == 0, done.stdout + done.stderr
        return (folder / "events").read_text().splitlines()

    def submitted(self, run: str, segment: str, jobs: Sequence[Job], offset: int = 0) -> "subprocess.Popen[str]":
        """Submit JOBS as remote.host does, and follow them."""
        script = self.folder / f"submission-{segment}-{offset}"
        script.write_text(program.submission(run, segment, offset, program.request("", jobs)))
        return self.begin([str(script)])

    def begin(self, words: Sequence[str]) -> "subprocess.Popen[str]":
        """Start the host's sh with WORDS, as root's login there would."""
        return subprocess.Popen(
            [str(self._bin / "sh"), *words],
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def segment(self, run: str, segment: str) -> Path:
        """The folder of a segment."""
        return self.state / run / "segments" / segment

    def pid(self, run: str, segment: str) -> int:
        """The runner of that segment, once it has said its number."""
        file = self.segment(run, segment) / "pid"
        self.wait_for(file)
        return int(file.read_text().split()[0])

    def wait_for(self, file: Path, text: str = "") -> None:
        """Wait until FILE is there with TEXT in it."""
        end = time.monotonic() + PATIENCE_S
        while not (file.exists() and text in file.read_text()):
            assert time.monotonic() < end, f"{file} never came"
            time.sleep(_LOOK_EVERY_S)

    def records(self) -> tuple[Record, ...]:
        """The journal that the program wrote."""
        return journal.parse(self.journal)

    @property
    def journal(self) -> str:
        """The journal's text."""
        file = self.state / "journal"
        return file.read_text() if file.exists() else ""


_LOOK_EVERY_S = 0.02


def told(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Event lines without their times: ("started", KEY), ("finished", KEY, CODE, PROVED), ("halted", KEY)."""
    words = [line[1:].split(" ") for line in lines if line.startswith(("@started", "@finished", "@halted"))]
    return [(kind, key, *rest) for kind, key, _, *rest in words]


def facts_of(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """Records without their times."""
    return [(r.event, r.host, r.step, r.attempt, r.code, r.data.get("proved")) for r in records]
