"""The real program of remote/onhost, run by this machine's sh on a state directory of the test's own."""

import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

from remote import program
from rollout import journal
from rollout.execute import Job
from rollout.journal import Record

PATIENCE_S = 20.0


class OnHost:
    """A host's state directory, and the program working on it."""

    def __init__(self, folder: Path) -> None:
        self.state = folder / "state"
        self.state.mkdir(mode=0o700)
        self._program = folder / "program.sh"
        self._program.write_text(program.program())
        self._environment = {**os.environ, "STORMLIFT_STATE": str(self.state), "STORMLIFT_STACK": str(folder / "stack")}

    def call(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run one verb of the program."""
        return self._sh([str(self._program), *words])

    def run(self, run: str, segment: str, jobs: Sequence[Job], token: str = "") -> list[str]:
        """Let the runner work through JOBS here and now; gives its event lines."""
        folder = self.state / run / "segments" / segment
        folder.mkdir(parents=True)
        (folder / "request").write_text(program.request(token, jobs))
        (folder / "events").touch()
        done = self.call("run-segment", str(folder), str(self._program))
        assert done.returncode == 0, done.stdout + done.stderr
        return (folder / "events").read_text().splitlines()

    def submitted(self, run: str, segment: str, jobs: Sequence[Job], offset: int = 0) -> "subprocess.Popen[str]":
        """Submit JOBS as remote.host does, and follow them."""
        script = program.submission(run, segment, offset, program.request("", jobs))
        return subprocess.Popen(["sh", "-c", script], env=self._environment, stdout=subprocess.PIPE, text=True)

    def pid(self, run: str, segment: str) -> int:
        """The runner of that segment, once it has said its number."""
        file = self.state / run / "segments" / segment / "pid"
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

    def _sh(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["sh", *words], env=self._environment, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )


_LOOK_EVERY_S = 0.02


def told(lines: Sequence[str]) -> list[tuple[str, ...]]:
    """Event lines without their times: ("started", KEY), ("finished", KEY, CODE, PROVED)."""
    words = [line[1:].split(" ") for line in lines if line.startswith(("@started", "@finished"))]
    return [(kind, key, *rest) for kind, key, _, *rest in words]


def facts_of(records: Sequence[Record]) -> list[tuple[object, ...]]:
    """Records without their times."""
    return [(r.event, r.host, r.step, r.attempt, r.code, r.data.get("proved")) for r in records]
