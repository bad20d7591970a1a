"""What mistral.conf may hold that is no way to a database: it is told as such, and never with the secrets in it."""

import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

import remote


@pytest.fixture
def database(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The module that reads mistral.conf, on a file of its own; SQLAlchemy, which only hosts have, stands in as 1.4 parses."""
    monkeypatch.syspath_prepend(str(Path(remote.__file__).parent / "onhost"))
    for name in ("sqlalchemy", "sqlalchemy.engine", "sqlalchemy.engine.url"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["sqlalchemy.engine"].url = sys.modules["sqlalchemy.engine.url"]  # type: ignore[attr-defined]
    sys.modules["sqlalchemy.engine.url"].make_url = parsed  # type: ignore[attr-defined]
    for name in ("mistral_database", "mistral_chain"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    import mistral_database  # type: ignore[import-not-found]

    monkeypatch.setattr(mistral_database, "CONF", str(tmp_path / "mistral.conf"))
    yield mistral_database
    for name in ("mistral_database", "mistral_chain"):
        sys.modules.pop(name, None)


def parsed(text: str) -> SimpleNamespace:
    """A URL as SQLAlchemy 1.4 takes it apart: the password ends at its first @."""
    user, _, where = text.partition("://")[2].partition("@")
    return SimpleNamespace(drivername=text.partition(":")[0], user=user, host=where.partition("/")[0])


def test_a_password_that_is_not_escaped_is_not_taken_for_a_host(database: Any) -> None:
    """libpq would say: could not translate host name "cret@localhost"."""
    Path(database.CONF).write_text("[database]\nconnection = postgresql://mistral:se@cret@localhost/mistral\n")
    with pytest.raises(database.Unusable) as caught:
        database.url_of()
    assert caught.value.cause == "conf" and "holds an @" in str(caught.value) and "cret" not in str(caught.value)
    Path(database.CONF).write_text("[database]\nconnection = postgresql://mistral:se%40cret@localhost/mistral\n")
    assert database.url_of().host == "localhost"


@pytest.mark.parametrize(
    "text",
    [
        b"# the database of M\xfcnchen\n[database]\nconnection = postgresql://mistral:secret@localhost/mistral\n",
        b"[database]\nconnection = postgresql://mistral:secret$word@localhost/mistral\n",
        b"[database\nconnection = postgresql://mistral:secret@localhost/mistral\n",
        b"[database]\nmax_retries = 1\n",
        b"",
    ],
)
def test_a_file_that_cannot_be_used_is_named_and_its_text_is_not(database: Any, text: bytes) -> None:
    Path(database.CONF).write_bytes(text)
    with pytest.raises(database.Unusable) as caught:
        database.url_of()
    assert caught.value.cause == "conf" and database.CONF in str(caught.value) and "secret" not in str(caught.value)


def test_a_file_that_is_not_there_is_named(database: Any) -> None:
    with pytest.raises(database.Unusable, match="cannot be read") as caught:
        database.url_of()
    assert caught.value.cause == "conf"


class Driver(ModuleType):
    """psycopg2, as far as a link goes: what was executed on it, on a server of VERSION."""

    Error = type("Error", (Exception,), {})

    def __init__(self, version: int) -> None:
        super().__init__("psycopg2")
        self.server_version, self.said = version, list[str]()

    def connect(self, **_: str) -> "Driver":
        return self

    def cursor(self) -> "Driver":
        return self

    def execute(self, statement: str) -> None:
        self.said.append(statement)
        if self.server_version == 0:
            raise self.Error("the pooler\nsays no")


@pytest.mark.parametrize(("version", "said"), [(90224, "statement_timeout = '300s'"), (90300, "lock_timeout = '10s'")])
def test_no_look_waits_for_ever_for_a_table_that_somebody_locks(
    database: Any, monkeypatch: pytest.MonkeyPatch, version: int, said: str
) -> None:
    monkeypatch.setattr(database, "settings", dict)
    monkeypatch.setitem(sys.modules, "psycopg2", Driver(version))
    assert database.connect().said == [f"set {said}"]


def test_a_server_that_refuses_the_first_word_cannot_be_looked_at(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "settings", dict)
    monkeypatch.setitem(sys.modules, "psycopg2", Driver(0))
    with pytest.raises(database.Unusable, match="the pooler says no"):
        database.connect()


DUMPED = 'case "$*" in *" -s "*) ;; *) while [ "$1" != -f ]; do shift; done; echo whole >"$2" ;; esac'


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ({}, "pg_dump cannot be run: No such file or directory"),
        ({"pg_dump": "exit 3"}, "pg_dump ended with exit code 3"),
        ({"pg_dump": DUMPED}, "pg_restore cannot be run: No such file or directory"),
        ({"pg_dump": DUMPED, "pg_restore": "exit 1"}, "pg_restore ended with exit code 1"),
    ],
)
def test_a_dump_that_cannot_be_made_or_read_back_is_told_and_not_named(
    database: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tools: dict[str, str], says: str
) -> None:
    monkeypatch.setattr(database, "settings", dict)
    monkeypatch.setitem(sys.modules, "psycopg2", Closing(90400))  # too old to share a snapshot
    for name in ("mistral_backup", "mistral_export"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    for name, text in tools.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    monkeypatch.setattr("os.umask", lambda _: 0)  # it is the test's own
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("STORMLIFT_BACKUP", str(tmp_path / "backup"))
    import mistral_backup  # type: ignore[import-not-found]

    monkeypatch.setattr(mistral_backup, "content_of", lambda _: {"tables": {}, "name": "m"})
    with pytest.raises(SystemExit) as caught:
        mistral_backup.dump()
    assert caught.value.code == says and not (tmp_path / "backup" / "mistral.dump").exists()
    for name in ("mistral_backup", "mistral_export"):
        sys.modules.pop(name, None)


class Closing(Driver):
    """A link that is closed at once."""

    def close(self) -> None:
        self.said.append("closed")

    def commit(self) -> None:
        self.said.append("committed")

    def set_session(self, **_: Any) -> None:
        self.said.append("set")


def test_a_session_whose_address_the_server_hides_is_not_called_local(
    database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only its own role and superusers see where a session comes from."""
    rows = [("10.0.0.1", 40000, "", "mistral"), (None, -1, "psql", "mistral"), (None, None, "analytics", "bi")]
    monkeypatch.setattr(database, "rows_of", lambda *_: rows)
    assert [each["address"] for each in database.sessions(None)] == ["10.0.0.1", "local", "hidden"]
