"""A database of the stand-in's server, and its collections."""

import re
from typing import Any

import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore]
from st2common.config import CONF
from st2lab import faults

from pymongo import errors
from pymongo.cursor import Cursor

_LOGIN = "password|authentication|no pg_hba.conf entry|role "
_TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
_NAMES = f"{_TABLES} AND tablename NOT LIKE 'lab\\_%' ORDER BY 1"
_HASH = (
    "SELECT md5(coalesce(string_agg(md5(row), '' ORDER BY row COLLATE \"C\"), ''))"
    ' FROM (SELECT to_jsonb(t)::text AS row FROM "{}" t) each'
)
Login = tuple[str, str, str]


class Connection:
    """The way to the server, open like a real client's pool; LOGIN is user, password and the database that knows them."""

    def __init__(self, host: str, port: int, login: Login | None) -> None:
        self._host, self._port, self._login = host, port, login
        self._links: dict[tuple[str, str], Any] = {}

    def run(self, database: str, sql: str, *values: object) -> list[tuple[Any, ...]] | None:
        """The rows that a statement gives in DATABASE; None where there is no such database."""
        if self._login is None:
            raise errors.OperationFailure("command requires authentication", 13)
        user, password, source = self._login
        if source != database:
            self._run(source, user, password, "SELECT 1", ())  # whoever does not get in there gets in nowhere
        return self._run(database, user, password, sql, values, knows=source)

    def release(self) -> str:
        """What the server says that it is; the lab's way in is that of st2.conf, as the question needs none."""
        CONF.read(["/etc/st2/st2.conf"])
        own = CONF.database
        sql = "SELECT release FROM lab_server"
        rows = self._run(own.db_name, own.username or "st2", own.password or "", sql, (), knows=own.db_name)
        return str(rows[0][0]) if rows else "0"

    def make(self, database: str) -> None:
        """Make DATABASE, if the role may."""
        user, password, source = self._login or ("", "", "")
        self._run(source, user, password, f'CREATE DATABASE "{database}" TEMPLATE template0', (), about=database)

    def drop(self, database: str) -> None:
        """Take DATABASE away, which has no collection any more."""
        user, password, source = self._login or ("", "", "")
        if link := self._links.pop((database, user), None):
            link.close()
        self._run(source, user, password, f'DROP DATABASE "{database}"', ())

    def _run(
        self,
        database: str,
        user: str,
        password: str,
        sql: str,
        values: tuple[object, ...],
        knows: str = "",
        about: str = "",
    ) -> list[tuple[Any, ...]] | None:
        where = f"{self._host}:{self._port}"
        try:
            link = self._link(database, user, password)
        except psycopg2.OperationalError as error:
            if f'database "{database}" does not exist' in str(error) and knows and knows != database:
                return None
            if re.search(_LOGIN, str(error)) or "does not exist" in str(error):
                raise errors.OperationFailure("Authentication failed.", 18) from error
            raise errors.ServerSelectionTimeoutError(f"{where}: [Errno 111] Connection refused") from error
        try:
            with link.cursor() as cursor:
                cursor.execute(sql, values or None)
                return list(cursor.fetchall()) if cursor.description else []
        except psycopg2.errors.InsufficientPrivilege as error:
            raise errors.OperationFailure(f"not authorized on {about or database} to execute command", 13) from error
        except psycopg2.Error as error:
            raise errors.OperationFailure(str(error)) from error

    def _link(self, database: str, user: str, password: str) -> Any:
        if faults.ordered("store-down"):
            raise psycopg2.OperationalError("Connection refused")
        link = self._links.get((database, user))
        if link is None or link.closed:
            link = psycopg2.connect(
                host=self._host, port=self._port, dbname=database, user=user, password=password, connect_timeout=5,
                application_name="st2",
            )  # fmt: skip
            link.autocommit = True
            self._links[database, user] = link
        return link


class Database:
    """One database."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection, self.name = connection, name

    def __getattr__(self, name: str) -> "Collection":
        """As in pymongo, any name that it does not know is a collection's."""
        return Collection(self, name)

    __getitem__ = __getattr__

    def run(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """The rows of a statement; none where the database is not there."""
        return self._connection.run(self.name, sql, *values) or []

    def collection_names(self) -> list[str]:
        """Every collection; before MongoDB 3.0 that of the indexes is among them."""
        return [name for (name,) in self.run(_NAMES)]

    def drop_collection(self, name: str) -> None:
        """Take a collection away, and with the last one the database."""
        if self._connection.run(self.name, f'DROP TABLE IF EXISTS "{name}"') is not None and not self.run(_TABLES):
            self._connection.drop(self.name)

    def command(self, command: str, value: Any = 1, **words: Any) -> dict[str, Any]:
        """The answer to a command; one that is not known is refused as MongoDB does."""
        if command == "ping":
            self._connection.run(self.name, "SELECT 1")
            return {"ok": 1.0}
        if command == "dbStats":
            ((size,),) = self.run("SELECT pg_database_size(current_database())") or [(0,)]
            return {"ok": 1.0, "db": self.name, "dataSize": float(size)}
        if command == "dbHash":
            hashes = {name: self.run(_HASH.format(name))[0][0] for name in self.collection_names()}
            return {"ok": 1.0, "collections": hashes}
        if command == "create":
            if self._connection.run(self.name, "SELECT 1") is None:
                self._connection.make(self.name)
            self.run(f'CREATE TABLE "{value}" (id text PRIMARY KEY, doc jsonb NOT NULL)')
            return {"ok": 1.0}
        if command == "count":
            return {"ok": 1.0, "n": self._count(value, words.get("query", {}).get("_id", {}))}
        raise errors.OperationFailure(f"no such command: '{command}'", 59)

    def _count(self, name: str, wanted: dict[str, Any]) -> int:
        if name not in self.collection_names():
            return 0
        after = str(wanted["$gt"]) if "$gt" in wanted else None
        where, values = (" WHERE id > %s", (after,)) if after is not None else ("", ())
        return int(self.run(f'SELECT count(*) FROM "{name}"{where}', *values)[0][0])


class Collection:
    """The documents of one collection."""

    def __init__(self, database: Database, name: str) -> None:
        self._database, self._name = database, name

    def __call__(self, *_: object) -> None:
        """As pymongo does it for a method that a Database of its release has not."""
        raise TypeError(f"'Collection' object is not callable: no method {self._name!r} exists")

    def index_information(self) -> dict[str, dict[str, Any]]:
        """The indexes by their names."""
        rows = self._database.run("SELECT indexname FROM pg_indexes WHERE tablename = %s", self._name)
        return {name: {} for (name,) in rows}

    def find(self, filter: dict[str, Any] | None = None, projection: Any = None, **words: Any) -> Cursor:
        """Every document whole, whatever PROJECTION says, in the order of the ids; the stand-in takes no filter."""
        if filter:
            raise NotImplementedError("the stand-in takes no filter")
        if words.get("sort", [("_id", 1)]) != [("_id", 1)] or words.keys() - {
            "sort",
            "batch_size",
            "no_cursor_timeout",
        }:
            raise NotImplementedError(f"the stand-in does not know {words}")
        cursor = Cursor(self._database.run, self._name)
        return cursor.batch_size(words["batch_size"]) if words.get("batch_size") else cursor
