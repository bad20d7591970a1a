"""A host with st2's MongoDB: the real program of hosts, over a pymongo, a mongodump and a mongorestore that share one file."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.pure.onhost import OnHost

TEXTS = Path(__file__).parent / "data" / "mongo"
WORD = "c@nary/of:the+store"
QUOTED = "c%40nary%2Fof%3Athe%2Bstore"
NAME = "r1/2.2.1"
CONF = f"[database]\nhost = db1\nport = 27017\ndb_name = st2\nusername = stackstorm\npassword = {WORD}\n"


def executions(*seconds: int) -> dict[str, Any]:
    """Documents of executions that began at these seconds."""
    ids = [f"{each:08x}{number:016x}" for number, each in enumerate(seconds)]
    return {each: {"_id": each, "status": "succeeded", "result": {"stdout": "\u00e7a", "code": 0}} for each in ids}


class MongoHost:
    """The host; `conf` is its st2.conf, `state` what the server is and has, `archive` the dump that it took."""

    def __init__(self, folder: Path, python: str = sys.executable) -> None:
        self.host = OnHost(folder)
        self.conf = folder / "st2.conf"
        self.conf.write_text(CONF)
        self._state = folder / "mongo.json"
        self.state = {
            "release": "4.0.28",
            "at": "db1:27017",
            "login": ["stackstorm", WORD, "st2"],
            "indexes": {"st2.key_value_pair_d_b": ["uid_1"]},
            "databases": {
                "st2": {
                    "key_value_pair_d_b": {each: {"_id": each, "value": f"v{each}"} for each in "abc"},
                    "action_execution_d_b": executions(1000, 2000, 3000),
                    "user_d_b": {},
                },
                "other": {"theirs": {"z": {"_id": "z"}}},
            },
        }
        site = folder / "site"
        for name, text in (("pymongo/__init__", "pymongo"), ("pymongo/errors", "errors"), ("pymongo/uri_parser", "uri_parser"),
                           ("bson/objectid", "objectid"), ("bson/__init__", "")):  # fmt: skip
            (site / name).parent.mkdir(parents=True, exist_ok=True)
            (site / f"{name}.py").write_text((TEXTS / f"{text}.txt").read_text() if text else "")
        self._program(
            folder / "stack/st2/bin/python", f'PYTHONPATH={site} PYTHONDONTWRITEBYTECODE=1 exec {python} "$@"'
        )
        for tool in ("mongodump", "mongorestore"):
            self.install(tool, f"#!{python}\n{(TEXTS / 'tool.txt').read_text()}")
        self.environment.update(STORMLIFT_CONF=str(self.conf), FAKE_MONGO=str(self._state), LC_ALL="C")
        self.environment["STORMLIFT_BACKUP"] = str(self.host.state / "r1/backup/2.2.1")
        (self.host.state / "hold").write_text("run r1\n")

    @property
    def environment(self) -> dict[str, str]:
        """What a step on this host finds in its environment."""
        return self.host.environment

    @property
    def state(self) -> dict[str, Any]:
        """The server."""
        found: dict[str, Any] = json.loads(self._state.read_text())
        return found

    @state.setter
    def state(self, value: dict[str, Any]) -> None:
        self._state.write_text(json.dumps(value))

    def becomes(self, **changes: Any) -> None:
        """The server has CHANGES."""
        self.state = {**self.state, **changes}

    @property
    def documents(self) -> dict[str, Any]:
        """What st2's database holds."""
        found: dict[str, Any] = self.state["databases"].get("st2", {})
        return found

    @documents.setter
    def documents(self, value: dict[str, Any]) -> None:
        self.becomes(databases={**self.state["databases"], "st2": value})

    @property
    def folder(self) -> Path:
        """The backup's folder."""
        return Path(self.environment["STORMLIFT_BACKUP"])

    @property
    def archive(self) -> Path:
        """The dump."""
        return self.folder / "store.archive"

    @property
    def told(self) -> dict[str, Any]:
        """What is told of the dump."""
        found: dict[str, Any] = json.loads((self.folder / "store.json").read_text())
        return found

    def _program(self, path: Path, line: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{line}\n")
        path.chmod(0o755)

    def install(self, tool: str, text: str) -> None:
        """Let TOOL be the program TEXT."""
        path = self.host.folder / "bin" / tool
        path.write_text(text)
        path.chmod(0o755)

    def remove(self, tool: str) -> None:
        """TOOL is not there."""
        (self.host.folder / "bin" / tool).unlink()

    def store(self, *words: str) -> subprocess.CompletedProcess[str]:
        """One verb; wherever the password shows, the test ends."""
        done = self.host.call("store", *words)
        seen = self._state.with_name("mongo.json.seen")
        said = done.stdout + done.stderr + (seen.read_text() if seen.exists() else "")
        kept = "".join(path.read_text("latin-1") for path in self.folder.glob("*")) if self.folder.is_dir() else ""
        assert WORD not in said + kept and QUOTED not in said + kept
        return done

    def good(self, *words: str) -> str:
        """What a verb says that must succeed."""
        done = self.store(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def bad(self, *words: str, code: int = 1) -> str:
        """What a verb says that must fail with CODE."""
        done = self.store(*words)
        assert done.returncode == code, done.stdout + done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        return done.stdout + done.stderr
