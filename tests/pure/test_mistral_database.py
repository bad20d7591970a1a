"""How the database of mistral.conf is reached, by the program of hosts; its virtualenv and its tools are stood in for."""

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import remote

ONHOST = Path(remote.__file__).parent / "onhost"
SECRET = "s3cret"


@dataclass
class Venv:
    """What stands in for mistral's virtualenv: what oslo.config, SQLAlchemy and psycopg2 answer, or raise."""

    monkeypatch: pytest.MonkeyPatch
    url: Any = f"postgresql://mistral:{SECRET}@db/mistral"
    args: Any = field(default_factory=lambda: {"host": "db", "user": "mistral", "password": SECRET, "database": "m"})
    link: Any = None
    asked: dict[str, str] = field(default_factory=dict)

    def module(self, name: str, **names: Any) -> None:
        """Let `import NAME` give a module with NAMES."""
        made = ModuleType(name)
        made.__dict__.update(names)
        self.monkeypatch.setitem(sys.modules, name, made)

    def program(self, name: str) -> Any:
        """The module NAME of the program, with those that it imports."""
        for each in (
            "mistral_chain",
            "mistral_database",
            "mistral_export",
            "mistral_backup",
            "mistral_rehearse",
            "mistral",
        ):
            path = ONHOST / f"{each}.py"
            self.module(each)
            exec(compile(path.read_text(), str(path), "exec"), sys.modules[each].__dict__)
        return sys.modules[name]

    def connect(self, **asked: str) -> Any:
        """As psycopg2.connect."""
        self.asked = asked
        return answer(self.link)


def answer(value: Any) -> Any:
    if isinstance(value, Exception):
        raise value
    return value


class DatabaseError(Exception):
    """As psycopg2.Error."""


@pytest.fixture
def venv(monkeypatch: pytest.MonkeyPatch) -> Venv:
    """A virtualenv with everything in it."""
    made = Venv(monkeypatch)

    class ConfigOpts:
        database = property(lambda _: SimpleNamespace(connection=answer(made.url)))

        def register_opt(self, *_: Any, **__: Any) -> None: ...

        def __call__(self, **_: Any) -> None: ...

    cfg = SimpleNamespace(DeprecatedOpt=lambda *_, **__: None, StrOpt=lambda *_, **__: None, ConfigOpts=ConfigOpts)
    dialect = SimpleNamespace(dialect=lambda: SimpleNamespace(create_connect_args=lambda _: ([], answer(made.args))))
    made.module("oslo_config", cfg=cfg)
    made.module("sqlalchemy")
    made.module(
        "sqlalchemy.engine",
        url=SimpleNamespace(make_url=lambda text: SimpleNamespace(drivername="postgresql", host="db")),
    )
    made.module("sqlalchemy.dialects")
    made.module("sqlalchemy.dialects.postgresql", psycopg2=dialect)
    made.module("psycopg2", Error=DatabaseError, connect=made.connect)
    return made


def unusable(venv: Venv) -> Any:
    look = venv.program("mistral_database").look_safely()
    assert SECRET not in str(look) and look["pending"] == [] and look["creates"] == {}
    return look


@pytest.mark.parametrize(
    ("url", "args", "link"),
    [
        (UnicodeDecodeError("utf-8", SECRET.encode(), 0, 1, "invalid start byte"), {}, None),
        (ValueError(f"no assignment: {SECRET}"), {}, None),
        ("x", ValueError(f"invalid literal for int(): {SECRET}"), None),
        ("x", {"host": "db"}, DatabaseError(f'invalid dsn: invalid connection option "{SECRET}"\n')),
        ("x", {"host": "db"}, DatabaseError(f'invalid port number: "{SECRET}"\n')),
        ("x", {"host": "db"}, DatabaseError(f'invalid integer value "{SECRET}" for connection option "port"')),
        ("x", {"host": "db"}, DatabaseError(f'invalid sslmode value: "{SECRET}"')),
    ],
)
def test_a_configuration_that_cannot_be_used_is_said_without_a_piece_of_it(
    venv: Venv, url: Any, args: Any, link: Any
) -> None:
    venv.url, venv.args, venv.link = url, args, link
    look = unusable(venv)
    assert (look["state"], look["cause"]) == ("unreachable", "conf")
    assert "[database] connection in " in look["error"] or "cannot be read" in look["error"]


@pytest.mark.parametrize("module", ["oslo_config", "psycopg2", "sqlalchemy.engine"])
def test_a_module_that_is_missing_or_cut_off_is_a_package_that_is_not_whole(
    venv: Venv, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, module: str
) -> None:
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.setitem(sys.modules, module, None)
    look = unusable(venv)
    assert look["state"] == "half-installed" and "lacks a module" in look["error"]
    monkeypatch.delitem(sys.modules, module)
    monkeypatch.syspath_prepend(str(tmp_path))
    if module != "sqlalchemy.engine":
        (tmp_path / f"{module}.py").write_text("def cut_off(")
        assert unusable(venv)["state"] == "half-installed"


def test_a_server_that_is_gone_is_not_waited_for(venv: Venv) -> None:
    venv.link = SimpleNamespace(server_version=90300, cursor=lambda: SimpleNamespace(execute=lambda _: None))
    venv.args = {"host": "db", "connect_timeout": "3"}
    venv.program("mistral_database").connect()
    assert venv.asked["connect_timeout"] == "3" and int(venv.asked["keepalives_idle"]) <= 60


# What is changed.


def test_a_drop_waits_for_sessions_that_are_about_to_end(venv: Venv) -> None:
    """The engine's last session can outlive its process by what it was just doing."""
    program = venv.program("mistral")
    look = {"state": "broken", "revision": "011", "drop": ["named_locks"], "sessions": [{}]}
    seen = iter([look, look, {**look, "sessions": []}])
    waits: list[float] = []
    program.look_safely = lambda: next(seen)
    program.time = SimpleNamespace(time=lambda: float(len(waits)), sleep=waits.append)
    program.connect = lambda: (_ for _ in ()).throw(program.Unusable("down", "enough"))
    assert program.main(["drop", "named_locks"]) == 1
    assert waits == [1, 1] and next(seen, None) is None


def test_no_wait_for_sessions_is_without_an_end(venv: Venv) -> None:
    program = venv.program("mistral")
    waits: list[float] = []
    program.look_safely = lambda: {"state": "old", "sessions": [{"user": "x", "address": "y", "application": "z"}]}
    program.sentence = lambda look: ""
    program.time = SimpleNamespace(time=lambda: float(len(waits)), sleep=waits.append)
    assert program.main(["ready"]) == 1 and len(waits) == program.PATIENCE_S


PG_DUMP = """case "$*" in *" -s "*) echo 'create table x'; exit ;; esac
while [ "$1" != -f ]; do shift; done; %s"""


def tool(folder: Path, name: str, script: str) -> None:
    path = folder / name
    path.write_text(f'#!/bin/sh\necho "$0 $*" >>{folder}/called\n{script}\n')
    path.chmod(0o755)


@pytest.fixture
def dumping(venv: Venv, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, Path, Path]]:
    """The program, the folder of its tools (its PATH), and that of the backup."""
    tools, backup = tmp_path / "bin", tmp_path / "backup"
    tools.mkdir()
    monkeypatch.setenv("PATH", f"{tools}:/usr/bin:/bin")
    monkeypatch.setenv("STORMLIFT_BACKUP", str(backup))
    program = venv.program("mistral")
    dumps = sys.modules["mistral_backup"]
    link = SimpleNamespace(close=lambda: None, commit=lambda: None, set_session=lambda **_: None, server_version=90500)
    monkeypatch.setattr(dumps, "connect", lambda: link)
    monkeypatch.setattr(dumps, "rows_of", lambda *_: [["00000004-1"]])
    monkeypatch.setattr(dumps, "content_of", lambda _: {"tables": {"x": "1-2-3"}, "name": "m"})
    tool(tools, "pg_dump", PG_DUMP % 'printf %s "$PGPASSWORD@$PGHOST" >"$2"')
    tool(tools, "pg_restore", "")
    before = os.umask(0o022)
    yield program, tools, backup
    os.umask(before)


def test_a_dump_is_read_back_and_named_and_no_argv_holds_the_password(
    dumping: tuple[Any, Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    program, tools, backup = dumping
    assert program.main(["dump"]) is None
    assert sorted(path.name for path in backup.iterdir()) == ["mistral.dump", "mistral.json", "seconds.mistral"]
    assert set(json.loads((backup / "mistral.json").read_text())) == {"tables", "schema", "name"}
    assert (backup / "mistral.dump").read_text() == f"{SECRET}@db"
    assert (backup / "mistral.dump").stat().st_mode & 0o077 == 0
    called = (tools / "called").read_text()
    assert called.count("pg_restore") == 1 and "--lock-wait-timeout=" in called and "--snapshot=00000004-1" in called
    assert SECRET not in called
    assert "1 tables" in (said := capfd.readouterr().out) and SECRET not in said


@pytest.mark.parametrize(
    ("name", "script"),
    [
        ("pg_dump", PG_DUMP % 'echo half >"$2"; exit 1'),
        ("pg_restore", "exit 1"),
    ],
)
def test_half_a_dump_is_taken_away_and_no_traceback(dumping: tuple[Any, Path, Path], name: str, script: str) -> None:
    """A disk that it filled would stay full; each run has a folder of its own."""
    program, tools, backup = dumping
    tool(tools, name, script)
    with pytest.raises(SystemExit, match=f"{name} ended with exit code 1"):
        program.main(["dump"])
    assert list(backup.iterdir()) == []


def test_a_database_that_is_gone_stands_in_nobody_s_way_who_puts_it_back(
    dumping: tuple[Any, Path, Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    program, _, backup = dumping

    def nobody() -> None:
        raise program.Unusable(cause, "no way in")

    monkeypatch.setattr(sys.modules["mistral_backup"], "connect", nobody)
    cause = "database"
    assert program.main(["dump", "gone"]) is None and "nothing is dumped: no way in" in capfd.readouterr().out
    assert program.main(["dump"]) == 1
    cause = "password"
    assert program.main(["dump", "gone"]) == 1
    assert list(backup.iterdir()) == []


def test_a_folder_that_cannot_be_written_to_is_told_in_words(
    dumping: tuple[Any, Path, Path], capfd: pytest.CaptureFixture[str]
) -> None:
    program, _, backup = dumping
    backup.write_text("")
    assert program.main(["dump"]) == 1 and "dump: " in capfd.readouterr().out
