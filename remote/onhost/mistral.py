"""Look at the Mistral database, and change it. Runs in mistral's virtualenv: Python 2.7 and 3, psycopg2, SQLAlchemy.

  mistral.py look                the state as JSON
  mistral.py ready               0 when `upgrade head` can run now; says why not
  mistral.py at-head             0 when the revision is the installed head and every table of it stands, else 1
  mistral.py dump                pg_dump into the run's folder, read back
  mistral.py drop [--drop-rows]  the repair of a broken database: drop what only pending revisions make
  mistral.py repaired            0 when nothing is left to drop, 1 when the database is broken

The connection is the one of mistral.conf; it never leaves this process but through the environment of pg_dump.
The tables to drop are computed from the installed migrations, never from a list: tables of the head, less tables
of the recorded revision, as far as they stand.
"""


from __future__ import print_function

import ast
import glob
import json
import os
import subprocess
import sys

HOME = os.environ.get("STORMLIFT_MISTRAL", "/opt/stackstorm/mistral")
CONF = os.environ.get("STORMLIFT_MISTRAL_CONF", "/etc/mistral/mistral.conf")
VERSIONS = "lib/python*/site-packages/mistral/db/sqlalchemy/migration/alembic_migrations/versions/*.py"
EXECUTIONS = ("executions_v2", "workflow_executions_v2", "task_executions_v2", "action_executions_v2")
FIRST_WITH_EXECUTIONS = "012"  # from here on the tables are the real store: dropping one loses executions

# --- what the installed migrations make ---------------------------------------------------------------------------


def text_of(node):
    return getattr(node, "s", None) or getattr(node, "value", None)


def migration(source):
    """(revision, the one before, tables made, tables dropped) of one migration file."""
    names, made, gone = {}, [], []
    for node in ast.parse(source).body:
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            names[node.targets[0].id] = text_of(node.value)
        if isinstance(node, ast.FunctionDef) and node.name == "upgrade":
            for call in ast.walk(node):
                if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.args:
                    if call.func.attr == "create_table":
                        made.append(text_of(call.args[0]))
                    elif call.func.attr == "drop_table":
                        gone.append(text_of(call.args[0]))
    return names.get("revision"), names.get("down_revision"), made, gone


def chain(home):
    """[(revision, made, dropped)] in order, of the mistral that is installed under HOME."""
    after = {}
    for path in glob.glob(os.path.join(home, VERSIONS)):
        with open(path, "rb") as opened:
            revision, before, made, gone = migration(opened.read())
        if revision:
            after[before] = (revision, made, gone)
    links, at = [], None
    while at in after:
        links.append(after[at])
        at = after[at][0]
    return links


def tables_at(links, revision):
    """The tables that stand after REVISION."""
    have = set()
    for each, made, gone in links:
        if revision is None:
            break
        have = (have - set(gone)) | set(made)
        if each == revision:
            break
    return have


# --- the state ----------------------------------------------------------------------------------------------------


def classify(links, revision, tables, recreated=False):
    """The state of a database that has TABLES and records REVISION, seen from the migrations LINKS."""
    known = [each for each, _, _ in links]
    ever = set(name for _, made, _ in links for name in made)
    mine = set(tables) & ever
    head = known[-1] if known else ""
    look = {"revision": revision or "", "head": head, "pending": [], "creates": {}, "drop": [], "missing": []}
    if not known:
        return dict(look, state="absent")
    if revision is None:
        return dict(look, state="unmanaged" if mine else "empty", pending=known)
    if revision not in known:
        return dict(look, state="unknown-revision")
    pending = known[known.index(revision) + 1 :]
    look["pending"] = pending
    look["creates"] = dict((each, made) for each, made, _ in links if each in pending and made)
    look["drop"] = sorted(mine & (tables_at(links, head) - tables_at(links, revision)))
    look["missing"] = sorted(tables_at(links, revision) - mine)
    if look["missing"]:
        return dict(look, state="damaged")
    if pending:
        return dict(look, state="broken" if look["drop"] else "old")
    return dict(look, state="recreated" if recreated else "upgraded")


SENTENCES = {
    "empty": "Mistral's database is empty and was never set up",
    "old": "Mistral's database is at revision {revision}, the installed release wants {head}",
    "broken": "Mistral's database is broken: mistral started on the new code before the database was upgraded; revision "
    "{revision}, but {tables} of later revisions stand already, so `upgrade head` says that they exist",
    "upgraded": "Mistral's database is at its head revision {revision}",
    "recreated": "Mistral's database is at its head revision {revision}, but its execution tables were dropped and made "
    "anew: their rows are lost",
    "damaged": "Mistral's database is damaged: at revision {revision} there should be {missing_tables}",
    "unmanaged": "Mistral's database has tables but no recorded revision: a service made them, not mistral-db-manage",
    "unknown-revision": "Mistral's database is at revision {revision}, which the installed release does not know (its head "
    "is {head}): the database is newer than the package",
    "absent": "the installed package carries no migrations of Mistral",
    "unreachable": "Mistral's database cannot be reached: {error}",
}


def sentence(look):
    return SENTENCES[look["state"]].format(
        tables=", ".join(look.get("drop", [])), missing_tables=", ".join(look.get("missing", [])), **look
    )


# --- the database -------------------------------------------------------------------------------------------------


def settings():
    """What mistral.conf says about the connection: host, port, database, user, password."""
    try:
        from configparser import RawConfigParser

        parser = RawConfigParser(strict=False)
    except ImportError:
        from ConfigParser import RawConfigParser

        parser = RawConfigParser()
    if not parser.read(CONF):
        raise SystemExit("cannot read %s" % CONF)
    from sqlalchemy.engine.url import make_url

    url = make_url(parser.get("database", "connection"))
    if not url.drivername.startswith("postgres"):
        raise SystemExit("[database] connection in %s is %s, not PostgreSQL" % (CONF, url.drivername.split("+")[0]))
    found = {"host": url.host, "port": url.port, "dbname": url.database, "user": url.username, "password": url.password}
    options = dict((key, value) for key, value in dict(url.query).items() if key in ("host", "port", "sslmode"))
    return dict((key, str(value)) for key, value in dict(found, **options).items() if value)


def connect():
    import psycopg2

    # Our own sessions are told apart from mistral's by their name.
    link = psycopg2.connect(connect_timeout=10, application_name="stormlift", **settings())
    if link.server_version >= 90300:  # el7 brings 9.2, which has no lock_timeout
        link.cursor().execute("set lock_timeout = '10s'")
    return link


def rows_of(link, query, values=()):
    with link.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def look_at(link, count=True):
    have = [row[0] for row in rows_of(link, "select tablename from pg_tables where schemaname = current_schema()")]
    recorded = rows_of(link, "select version_num from alembic_version") if "alembic_version" in have else []
    # create_all puts `type` where the model has it, the migrations add it last (020).
    places = dict(
        rows_of(
            link,
            "select column_name, ordinal_position from information_schema.columns"
            " where table_schema = current_schema() and table_name = 'task_executions_v2'",
        )
    )
    recreated = "type" in places and places["type"] < places.get("workflow_execution_id", 0)
    look = classify(chain(HOME), recorded[0][0] if len(recorded) == 1 else None, have, recreated)
    counted = sorted((set(look["drop"]) | set(EXECUTIONS)) & set(have)) if count else []
    look["rows"] = dict((name, rows_of(link, 'select count(*) from "%s"' % name)[0][0]) for name in counted)
    look["unfinished"] = 0
    if "executions_v2" in counted:
        query = "select count(*) from executions_v2 where state not in ('SUCCESS', 'ERROR')"
        look["unfinished"] = rows_of(link, query)[0][0]
    look["sessions"] = [
        {"address": row[0] or "local", "application": row[1] or "", "user": row[2] or ""}
        for row in rows_of(
            link,
            "select client_addr::text, application_name, usename from pg_stat_activity"
            " where datname = current_database() and application_name <> 'stormlift' and pid <> pg_backend_pid()"
            " and usename is not null",
        )
    ]
    look["size"] = rows_of(link, "select pg_database_size(current_database())")[0][0]
    look["identity"] = identity(link)
    look["server"] = link.server_version
    return look


def identity(link):
    """What tells this database from any other at this moment: the server's start, to the microsecond, and the name.

    The server's own number (system_identifier) is no help: machines cloned from one image share it.
    """
    query = "select extract(epoch from pg_postmaster_start_time())::text, current_database()"
    return "/".join(rows_of(link, query)[0])


def look_safely(count=False):
    import psycopg2

    try:
        link = connect()
    except psycopg2.OperationalError as error:
        look = classify(chain(HOME), None, [])
        return dict(look, state="unreachable", pending=[], error=" ".join(str(error).split()))
    try:
        return look_at(link, count)
    finally:
        link.close()


# --- the verbs ----------------------------------------------------------------------------------------------------


def verb_look():
    look = look_safely(count=True)
    look["sentence"] = sentence(look)
    for key in ("missing", "error"):
        look.pop(key, None)
    print(json.dumps(look, sort_keys=True))


def verb_ready():
    look = look_safely()
    print(sentence(look))
    if look["state"] not in ("empty", "old", "upgraded", "recreated"):
        return 1
    for session in look["sessions"]:
        print("a session is open on it: user %(user)s from %(address)s (%(application)s)" % session)
    return 1 if look["sessions"] else 0


def verb_at_head():
    look = look_safely()
    print(sentence(look))
    return 0 if look["state"] in ("upgraded", "recreated") else 1


def verb_dump():
    """One custom-format dump, written aside, read back by pg_restore, then named."""
    folder = os.environ["STORMLIFT_BACKUP"]
    if not os.path.isdir(folder):
        os.makedirs(folder, 0o700)
    found = settings()
    environment = dict(os.environ, PGPASSWORD=found.get("password", ""), PGCONNECT_TIMEOUT="10")
    aside, final = os.path.join(folder, "mistral.dump.new"), os.path.join(folder, "mistral.dump")
    command = ["pg_dump", "-w", "-Fc", "-f", aside, "-U", found["user"], "-d", found["dbname"]]
    command += ["-h", found["host"]] if "host" in found else []
    command += ["-p", found["port"]] if "port" in found else []
    os.umask(0o077)
    subprocess.check_call(command, env=environment)
    listed = subprocess.check_output(["pg_restore", "-l", aside]).decode()
    tables = sum(1 for line in listed.splitlines() if " TABLE DATA " in line)
    # Reads every byte of the data, which the list alone does not.
    with open(os.devnull, "wb") as nowhere:
        subprocess.check_call(["pg_restore", "-f", "-", aside], stdout=nowhere)
    os.rename(aside, final)
    print("dumped to %s: %d tables, %d bytes, read back" % (final, tables, os.path.getsize(final)))


def verb_drop(rows_too=False):
    link = connect()
    look = look_at(link)
    print(sentence(look))
    if look["state"] != "broken":
        print("nothing is dropped: only a broken database is repaired this way")
        return 1
    if look["revision"] >= FIRST_WITH_EXECUTIONS:
        print("nothing is dropped: from revision %s on these tables are the real store" % FIRST_WITH_EXECUTIONS)
        return 1
    filled = dict((name, look["rows"][name]) for name in look["drop"] if look["rows"][name])
    if filled and not rows_too:
        print("nothing is dropped: rows stand in %s" % ", ".join("%s (%d)" % item for item in sorted(filled.items())))
        return 1
    if look["sessions"]:
        print("nothing is dropped: %d other sessions are open on the database" % len(look["sessions"]))
        return 1
    statement = "DROP TABLE %s" % ", ".join('"%s"' % name for name in look["drop"])
    with link.cursor() as cursor:
        cursor.execute(statement)  # one statement, no CASCADE: whatever else depends on a table keeps it
    link.commit()
    print(statement)
    return 0


def verb_repaired():
    look = look_safely()
    print(sentence(look))
    return {"broken": 1, "old": 0, "upgraded": 0}.get(look["state"], 2)


def main(words):
    verbs = {
        "look": verb_look,
        "ready": verb_ready,
        "at-head": verb_at_head,
        "dump": verb_dump,
        "drop": lambda: verb_drop("--drop-rows" in words),
        "repaired": verb_repaired,
    }
    return verbs[words[0]]()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
