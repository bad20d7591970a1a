"""Databases on a lab host: one at each revision, copies of them, and what the programs of hosts do to one."""

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import remote
from lab.docker import Result
from lab.fleet import Fleet

FOLDER = "/root/states"
PYTHON = "/opt/stackstorm/mistral/bin/python"
REVISIONS = tuple(f"{number:03}" for number in range(9, 21))
_ONHOST = (Path(remote.__file__).parent / "onhost", Path(__file__).with_name("onhost"))
# On the host the program may not be called as the package that it imports.
_AS = {"mistral.py": "program.py"}
_SERVE = f"STORMLIFT_SESSIONS_S=0 exec {PYTHON} {FOLDER}/serve.py"
CONF = "/etc/mistral/mistral.conf"


@dataclass(frozen=True)
class Answer:
    """How a program ended, and what it said."""

    code: int
    said: str


@dataclass(frozen=True)
class Bench:
    """A host whose mistral is stopped, the databases that are made on it, and its programs, imported once."""

    fleet: Fleet
    host: str
    _asked: IO[str]
    _told: IO[str]

    # --- databases ---------------------------------------------------------------------------------------

    def prepare(self) -> None:
        """A database st_REVISION at each revision, made by mistral-db-manage."""
        before = "template1"
        for revision in REVISIONS:
            self.copy(before, f"st_{revision}")
            before = f"st_{revision}"
            made = self.manage(f"st_{revision}", "upgrade", revision)
            assert made.code == 0, made.said

    def copy(self, template: str, name: str) -> None:
        """A database NAME as TEMPLATE is, and a mistral.conf that names it."""
        self._postgres(f"createdb -O mistral -T {template} {name}")
        self.configure(name, f"s#^\\(connection = .*\\)/mistral$#\\1/{name}#")

    def configure(self, name: str, sed: str) -> None:
        """FOLDER/NAME.conf: the host's mistral.conf, changed by SED."""
        text = self.fleet.execute(self.host, "sed", sed, CONF).stdout
        self.write(f"{FOLDER}/{name}.conf", text)

    def write(self, path: str, text: str) -> None:
        """TEXT as the file PATH of the host."""
        self.fleet.execute(self.host, "sh", "-c", f"cat > {path}", stdin=text)

    def psql(self, name: str, script: str, *, stop: bool = True) -> str:
        """What psql prints for SCRIPT on the database NAME; by itself it goes on after a failure, here it need not."""
        return self._postgres(
            f"psql -XAtq -v ON_ERROR_STOP={int(stop)} -d {name}", f"set role mistral;\n{script}"
        ).stdout

    def schema(self, name: str) -> str:
        """The schema of the database NAME, without what differs from dump to dump."""
        told = self._postgres(f"pg_dump -s {name}").stdout
        return "\n".join(
            line for line in told.splitlines() if not line.startswith(("--", "\\restrict", "\\unrestrict"))
        )

    def _postgres(self, command: str, stdin: str | None = None) -> Result:
        return self.fleet.execute(self.host, "su", "postgres", "-c", command, stdin=stdin)

    # --- programs ----------------------------------------------------------------------------------------

    def manage(self, name: str, *words: str) -> Answer:
        """mistral-db-manage on the database NAME."""
        return self._ask("manage", name, *words)

    def program(self, name: str, *words: str) -> Answer:
        """A verb of the program that stormlift sends to hosts, on the database NAME."""
        return self._ask("program", name, *words)

    def start_too_early(self, name: str) -> None:
        """The tables that a service of the new code makes when it starts on the database NAME: by its own create_all."""
        made = self._ask("early", name)
        assert made.code == 0, made.said

    def look(self, name: str) -> dict[str, Any]:
        """The state of the database NAME."""
        answer = self.program(name, "look")
        assert answer.code == 0, answer.said
        found: dict[str, Any] = json.loads(
            answer.said.splitlines()[-1]
        )  # oslo.config says on stderr what is deprecated
        return found

    def sweep(self, *names: str) -> list[dict[str, Any]]:
        """Every combination on these databases, as sweep.py saw them."""
        told = self.fleet.execute(self.host, PYTHON, f"{FOLDER}/sweep.py", *names).stdout
        return [json.loads(line) for line in told.splitlines()]

    def _ask(self, what: str, name: str, *words: str) -> Answer:
        self._asked.write(json.dumps([what, f"{FOLDER}/{name}.conf", *words]) + "\n")
        self._asked.flush()
        code, said = json.loads(self._told.readline())
        return Answer(code, said)


@contextmanager
def bench(fleet: Fleet, host: str) -> Iterator[Bench]:
    """A bench on HOST, where nothing of mistral runs; its programs end with it, its databases stay."""
    fleet.execute(host, "mkdir", "-p", FOLDER)
    for each in (
        path for folder, names in zip(_ONHOST, ("mistral*.py", "*.py"), strict=True) for path in folder.glob(names)
    ):
        name = _AS.get(each.name, each.name)
        fleet.execute(host, "sh", "-c", f"cat > {FOLDER}/{name}", stdin=each.read_text())
    command = ("docker", "exec", "-i", fleet.container(host), "sh", "-c", _SERVE)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin and server.stdout
        made = Bench(fleet, host, server.stdin, server.stdout)
        made.prepare()
        yield made
        server.stdin.close()
