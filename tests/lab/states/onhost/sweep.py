"""Runs on a lab host, in mistral's virtualenv: every revision x subset of the later tables x rows x session, looked at.

    python sweep.py DATABASE...     (a database stands at each revision, named st_REVISION)

Prints one JSON line a combination. A combination is made inside a transaction on its revision's database and rolled
back: the tables that a service makes too early by the models' own create_all, those that are missing by DROP.
"""

import itertools
import json
import sys

import mistral_database as database
from mistral.db.v2.sqlalchemy import models
from sqlalchemy import create_mock_engine

LATER = (
    "resource_members_v2",
    "event_triggers_v2",
    "workflow_executions_v2",
    "task_executions_v2",
    "action_executions_v2",
    "named_locks",
)
FILLERS = {"character varying": "'x'", "text": "'{}'", "timestamp without time zone": "now()", "boolean": "false"}

# A row of one table may stand without those that it refers to: what counts here is that it stands.
FOREIGN = "select conrelid::regclass::text, conname from pg_constraint where contype = 'f'"


def tables_of(link):
    return {row[0] for row in database.rows_of(link, "select tablename from pg_tables where schemaname = 'public'")}


def run(link, statement):
    with link.cursor() as cursor:
        cursor.execute(statement)


def create_all(link):
    """As a service does when it starts: the tables of the models that are missing; here inside LINK's transaction."""
    engine = create_mock_engine(
        "postgresql://", lambda made, *_, **__: run(link, str(made.compile(dialect=engine.dialect)))
    )
    metadata = models.Workbook.metadata
    have = tables_of(link)
    metadata.create_all(engine, [each for name, each in metadata.tables.items() if name not in have], checkfirst=False)


def fill(link, table):
    """One row, with something in every column that wants it."""
    query = (
        "select column_name, data_type from information_schema.columns where table_schema = 'public'"
        " and table_name = %s and is_nullable = 'NO' and column_default is null"
    )
    columns = database.rows_of(link, query, (table,))
    names, values = [name for name, _ in columns], [FILLERS.get(kind, "0") for _, kind in columns]
    run(link, "insert into {} ({}) values ({})".format(table, ", ".join(names), ", ".join(values)))


def told(link, revision, subset, rows, session):
    look = database.look_at(link)
    keys = ("state", "drop", "rows", "pending", "head")
    found = {key: look[key] for key in keys}
    made = {"revision": revision, "tables": list(subset), "filled": rows, "session": session}
    print(json.dumps(dict(made, sessions=len(look["sessions"]), **found)))


def sweep(revision, session):
    link = database.connect()
    own = tables_of(link)
    # Made first, in one go: the tables refer to each other, so a subset is all of them less the others.
    create_all(link)
    for table, constraint in database.rows_of(link, FOREIGN):
        run(link, f"alter table {table} drop constraint {constraint}")
    run(link, "savepoint made")
    for length in range(len(LATER) + 1):
        for subset in itertools.combinations(LATER, length):
            gone = [name for name in LATER if name not in subset]
            run(link, "drop table {} cascade".format(", ".join(gone))) if gone else None
            told(link, revision, subset, False, session)
            for name in subset:
                fill(link, name)
            if subset:
                told(link, revision, subset, True, session)
            run(link, "rollback to savepoint made")
    assert own <= tables_of(link)
    link.rollback()
    link.close()


def main():
    for name in sys.argv[1:]:
        database.CONF = f"/root/states/{name}.conf"
        sweep(name[len("st_") :], False)
        with_session = database.connect()
        run(with_session, "set application_name = 'mistral'")
        with_session.commit()
        sweep(name[len("st_") :], True)
        with_session.close()


main()
