"""The datastore of a deployment: documents in PostgreSQL, shared by the hosts, where the real one is MongoDB."""

import json
import secrets
import time
from collections.abc import Iterable, Sequence
from threading import RLock
from typing import Any

import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore]
from mongoengine.connection import MongoEngineConnectionError, OperationFailure
from st2common.config import Database

from st2lab import faults

Document = dict[str, Any]

TABLES = """
CREATE TABLE IF NOT EXISTS key_value_pair_d_b (id text PRIMARY KEY, uid text UNIQUE, doc jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS api_key_d_b (id text PRIMARY KEY, uid text UNIQUE, doc jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS content_d_b (kind text, ref text, doc jsonb NOT NULL, PRIMARY KEY (kind, ref));
CREATE TABLE IF NOT EXISTS action_execution_d_b (id text PRIMARY KEY, doc jsonb NOT NULL);
CREATE TABLE IF NOT EXISTS lab_server (release text NOT NULL);
CREATE TABLE IF NOT EXISTS lab_script_log (n serial PRIMARY KEY, run text NOT NULL, script text NOT NULL,
  release text NOT NULL, host text NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), outcome text NOT NULL);
"""
# Any number will do: it keeps two hosts from making the tables at once, which PostgreSQL does not bear.
TABLES_LOCK = 9101
RETRY_EVERY = 1.0


class Store:
    """One connection, opened again when the database came back, shared by the threads of a process."""

    def __init__(self, settings: Database) -> None:
        self._settings = settings
        self._lock = RLock()
        self._connection: Any = None

    def open(self) -> None:
        """Connect, trying as long as the configuration says; a refused login is told by the first query only."""
        told = faults.store_wait()
        budget = told if told is not None else self._settings.connection_retry_max_delay_m * 60
        end = time.monotonic() + budget
        while True:
            try:
                self._connect()
            except MongoEngineConnectionError:
                if time.monotonic() >= end:
                    raise
                time.sleep(min(RETRY_EVERY, max(0.0, end - time.monotonic())))
            except OperationFailure:
                return
            else:
                return

    def close(self) -> None:
        """Close the connection."""
        with self._lock:
            if self._connection is not None:
                self._connection.close()
            self._connection = None

    def run(self, sql: str, values: Iterable[object] = ()) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; a connection that broke since is opened once more."""
        with self._lock:
            if faults.ordered("store-down"):
                self.close()
            if self._connection is None or self._connection.closed:
                self._connect()
            try:
                return self._execute(sql, values)
            except (psycopg2.OperationalError, psycopg2.InterfaceError):
                self.close()
                self._connect()
                return self._execute(sql, values)

    def run_many(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """One INSERT of many rows, whose place in SQL is `VALUES %s`; all of them are written, or none."""
        with self._lock, self._connection.cursor() as cursor:
            values = b",".join(cursor.mogrify(f"({', '.join(['%s'] * len(row))})", row) for row in rows)
            before, _, after = sql.partition("%s")
            cursor.execute(before.encode() + values + after.encode())

    def _execute(self, sql: str, values: Iterable[object]) -> list[tuple[Any, ...]]:
        with self._connection.cursor() as cursor:
            cursor.execute(sql, tuple(values))
            return list(cursor.fetchall()) if cursor.description else []

    def _connect(self) -> None:
        name, host, port = self._settings.db_name, self._settings.host, self._settings.port
        if faults.ordered("store-down"):
            raise MongoEngineConnectionError(f"Cannot connect to database default :\n{host}:{port}: Connection refused")
        try:
            self._connection = psycopg2.connect(
                host=host, port=port, dbname=name, user=self._settings.username or "st2",
                password=self._settings.password, connect_timeout=5, application_name="st2",
            )  # fmt: skip
        except psycopg2.OperationalError as error:
            # A MongoDB that wants a login lets everybody connect, and refuses the first command.
            if _refused_login(str(error)):
                raise OperationFailure(f"not authorized on {name} to execute command") from error
            raise MongoEngineConnectionError(f"Cannot connect to database default :\n{error}") from error
        self._connection.autocommit = True
        self._make_tables()

    def _make_tables(self) -> None:
        # MongoDB makes a collection when it is first written to; so nobody has to prepare a database.
        if self._execute("SELECT to_regclass('lab_script_log')", ()) != [(None,)]:
            return
        self._execute("SELECT pg_advisory_lock(%s)", (TABLES_LOCK,))
        try:
            self._execute(TABLES, ())
        finally:
            self._execute("SELECT pg_advisory_unlock(%s)", (TABLES_LOCK,))


def _refused_login(message: str) -> bool:
    # Told apart from a server that starts, stops or is full: those are worth another try.
    signs = ("no password supplied", "authentication failed", "does not exist", "no pg_hba.conf entry")
    return any(sign in message for sign in signs)


def new_id() -> str:
    """The id of a new document: the second of its making, and chance."""
    return f"{int(time.time()):08x}{secrets.token_hex(8)}"


def as_json(document: Document) -> str:
    """A document as PostgreSQL takes it."""
    return json.dumps(document, sort_keys=True)
