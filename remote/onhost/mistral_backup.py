"""Dump Mistral's database, prove the dump, and put it back. Python 2.7 and 3, in mistral's virtualenv.

What a dump was made of is told by the server itself, in the snapshot that pg_dump reads: rows and digest of every table, and
the digest of the schema's own dump. So a restore is compared with the database that was there, not with the dump.
"""

from __future__ import print_function

import hashlib
import json
import os
import re
import subprocess
import sys
import time

from mistral_database import Unusable, connect, environment, rows_of
from mistral_export import digest_query, quoted

DUMP, CONTENT = "mistral.dump", "mistral.json"
SCHEMA = ["pg_dump", "-w", "-s", "--no-owner"]
# pg_restore's list, of what the role of a database may not make anew: these stand in every database.
_NOT_OURS = re.compile(br"^\d+; \d+ \d+ (EXTENSION|COMMENT - EXTENSION|SCHEMA - public|COMMENT - SCHEMA public|ACL - SCHEMA public) ")
# A comment, a setting of the session, what stands in every database, or the key that newer tools make up for each dump.
_NOT_SCHEMA = re.compile(
    br"^(--|SET |SELECT pg_catalog\.set_config|\\(un)?restrict |$"
    br"|(CREATE|ALTER) SCHEMA public|(GRANT|REVOKE|COMMENT) .*ON SCHEMA public|CREATE EXTENSION |COMMENT ON EXTENSION )"
)


class Wrong(Exception):
    """What is not as it must be, in words."""


def ran(command, database="", **how):
    """What a tool of PostgreSQL's says when OUT is a pipe; it tells itself why it fails."""
    process = begun(command, database, **how)
    said = process.communicate()[0]
    if process.returncode:
        raise SystemExit("%s ended with exit code %d" % (command[0], process.returncode))
    return said


def begun(command, database="", **how):
    """A tool of PostgreSQL's, at work."""
    sys.stdout.flush()
    try:
        return subprocess.Popen(command, env=environment(database), stdin=how.get("stdin"), stdout=how.get("out"))
    except OSError as error:
        raise SystemExit("%s cannot be run: %s" % (command[0], error.strerror))


# --- dumping -------------------------------------------------------------------------------------------------


def dump(gone=""):
    """One custom-format dump, written aside, read back by pg_restore, then named. A database may be `gone`, if it is said."""
    folder = os.environ["STORMLIFT_BACKUP"]
    os.umask(0o077)
    if not os.path.isdir(folder):
        os.makedirs(folder)
    try:
        link = connect()  # says better than pg_dump why nobody gets in
    except Unusable as error:
        if not gone or error.cause != "database":
            raise
        print("nothing is dumped: %s" % error)
        return
    aside, final = os.path.join(folder, DUMP + ".new"), os.path.join(folder, DUMP)
    started = time.time()
    try:
        content = dumped_aside(link, aside)
        os.rename(aside, final)
    finally:
        link.close()
        for half in (aside, os.path.join(folder, CONTENT) + ".new"):  # of no use, and it may be what has filled the disk
            if os.path.exists(half):
                os.unlink(half)
    remember(folder, time.time() - started)
    told = (final, len(content["tables"]), os.path.getsize(final))
    print("dumped to %s: %d tables, %d bytes, read back" % told)


def dumped_aside(link, path):
    """Dump the database to PATH and read all of it back; what it was made of is written first."""
    link.commit()
    link.set_session(isolation_level="REPEATABLE READ", readonly=True)
    command = ["pg_dump", "-w", "--lock-wait-timeout=30000", "-Fc", "-f", path]
    # The dump and the digests see the same moment, while st2 writes on. A pg_dump that may read such a server knows the flag.
    if link.server_version >= 90500:
        command.append("--snapshot=%s" % rows_of(link, "select pg_export_snapshot()")[0][0])
    dumping, schema = begun(command), begun(SCHEMA, out=subprocess.PIPE)
    try:
        content = content_of(link)  # while both read
    finally:
        said = schema.communicate()[0]
        code = dumping.wait()
    for each, ended in (("pg_dump", code), ("pg_dump -s", schema.returncode)):
        if ended:
            raise SystemExit("%s ended with exit code %d" % (each, ended))
    # Reads every byte of the data, which the list alone does not.
    ran(["pg_restore", "-f", os.devnull, path])
    with open(path, "rb") as opened:
        os.fsync(opened.fileno())
    content["schema"] = digest_of(said)
    keep_content(os.path.join(os.path.dirname(path), CONTENT), content)
    return content


def keep_content(path, content):
    with open(path + ".new", "w") as opened:
        json.dump(content, opened, sort_keys=True, indent=1)
        opened.flush()
        os.fsync(opened.fileno())
    os.rename(path + ".new", path)


def remember(folder, seconds):
    """How long it took, for the next plan; in a file of its own, as the other database may be dumped at the same time."""
    keep_content(os.path.join(folder, "seconds.mistral"), round(seconds, 1))


# --- what stands in a database -------------------------------------------------------------------------------


def content_of(link):
    """Name, encoding, and for every table the rows and their digest, as the server itself counts them."""
    encoding = rows_of(link, "show server_encoding")[0][0]
    encoding = encoding if encoding == "SQL_ASCII" else "UTF8"
    found = {}
    with link.cursor() as cursor:
        cursor.execute("set statement_timeout = 0")
        cursor.execute("set client_encoding = '%s'" % encoding)
        for table, columns in sorted(tables_of(link).items()):
            if columns:
                cursor.execute(digest_query(table, columns, encoding))  # without values: its own %s is format's
                found[table] = "%s-%s-%s" % tuple(cursor.fetchone())
            else:
                cursor.execute("select count(*) from %s" % quoted(table))
                found[table] = "%s" % cursor.fetchone()
    return {"tables": found, "name": rows_of(link, "select current_database()")[0][0]}


def tables_of(link):
    """Table to its columns in order, of everything in the current schema that holds rows of its own."""
    query = (
        "select c.relname, a.attname from pg_class c join pg_namespace n on n.oid = c.relnamespace"
        " left join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped"
        " where n.nspname = current_schema() and c.relkind = 'r' order by c.relname, a.attnum"
    )
    found = {}
    for table, column in rows_of(link, query):
        found.setdefault(table, []).extend([column] if column is not None else [])
    return found


def schema_digest(database=""):
    """SHA-256 of the schema as pg_dump writes it."""
    return digest_of(ran(SCHEMA, database, out=subprocess.PIPE))


def digest_of(text):
    """Of the schema's TEXT, less what is none of it."""
    kept = [line for line in text.split(b"\n") if not _NOT_SCHEMA.match(line)]
    return hashlib.sha256(b"\n".join(kept)).hexdigest()


def compared(then, link, database=""):
    """What differs between the content THEN and the database behind LINK, a line each."""
    now = content_of(link)["tables"]
    link.rollback()
    lines = []
    for table in sorted(set(then["tables"]) | set(now)):
        if now.get(table) != then["tables"].get(table):
            rows = [(each.get(table) or "none").split("-")[0] for each in (then["tables"], now)]
            lines.append("%s differs: %s rows in the backup, %s here" % ((table,) + tuple(rows)))
    if schema_digest(database) != then["schema"]:
        lines.append("the schema differs")
    return lines


def told_by(folder):
    """What the dump in FOLDER was made of. Raises Wrong."""
    try:
        with open(os.path.join(folder, CONTENT)) as opened:
            found = json.load(opened)
        return {"tables": dict(found["tables"]), "schema": found["schema"]}
    except (EnvironmentError, ValueError, KeyError, TypeError) as error:
        raise Wrong("%s/%s cannot be read: %s" % (folder, CONTENT, error))


def same(folder):
    """0 when the database holds what the dump in FOLDER was made of."""
    link = connect()
    try:
        odd = compared(told_by(folder), link)
    except Wrong as error:
        odd = [str(error)]
    finally:
        link.close()
    print("\n".join(odd) or "Mistral's database holds what %s was made of" % os.path.join(folder, DUMP))
    return 1 if odd else 0


# --- a scratch database --------------------------------------------------------------------------------------


def scratch(folder):
    """Restore the dump into a database of its own on the same server, compare, and drop that again."""
    try:
        then = told_by(folder)
        with_scratch(lambda name: filled(folder, name, then))
    except Wrong as error:
        print(error)
        return 1
    print("restored into a scratch database: %d tables and the schema are what was dumped" % len(then["tables"]))
    return 0


def filled(folder, name, then):
    """Restore the dump in FOLDER into the empty database NAME. Raises Wrong where that is not what THEN says."""
    listed = ours_of(folder)
    try:
        ran(["pg_restore", "-w", "--no-owner", "-x", "-e", "-L", listed, "-d", name, os.path.join(folder, DUMP)], name)
    except SystemExit as error:
        raise Wrong("the dump cannot be restored: %s" % error)
    finally:
        os.unlink(listed)
    link = connect(name)
    try:
        odd = compared(then, link, name)
    finally:
        link.close()
    if odd:
        raise Wrong("what was restored is not what was dumped:\n%s" % "\n".join(odd))


def with_scratch(use):
    """USE(name) on an empty database that is dropped in every ending; one that a killed process left is dropped first."""
    link = connect()
    try:
        link.commit()
        link.autocommit = True
        own, encoding, collate, ctype = rows_of(
            link,
            "select current_database(), pg_encoding_to_char(encoding), datcollate, datctype from pg_database"
            " where datname = current_database()",
        )[0]
        name = ("stormlift_scratch_%s" % own)[:63]
        drop = "drop database if exists %s" % quoted(name)
        make = "create database %s template template0 encoding '%s' lc_collate '%s' lc_ctype '%s'"
        with link.cursor() as cursor:
            cursor.execute(drop)
            cursor.execute(make % (quoted(name), encoding, collate, ctype))
        try:
            use(name)
        finally:
            with link.cursor() as cursor:
                cursor.execute(drop)
    except Exception as error:
        if not hasattr(error, "pgcode"):
            raise
        text = " ".join(str(error).split())
        if "permission denied to create database" in text:
            text += "; as PostgreSQL's superuser: ALTER ROLE %s CREATEDB" % quoted(environment().get("PGUSER", ""))
        raise Wrong("there is no scratch database: %s" % text)
    finally:
        link.close()


def ours_of(folder):
    """A file with the list of what pg_restore is to make, less what stands in every database already."""
    text = ran(["pg_restore", "-l", os.path.join(folder, DUMP)], out=subprocess.PIPE)
    path = os.path.join(folder, "list.%d.new" % os.getpid())
    with open(path, "wb") as opened:
        opened.write(b"\n".join(line for line in text.split(b"\n") if not _NOT_OURS.match(line)))
    return path


# --- going back ----------------------------------------------------------------------------------------------

# What is in the current schema and stands by itself; in this order nothing of one kind rests on a later one.
_STANDING = (
    ("view", "select relname from pg_class where relkind = 'v'"),
    ("materialized view", "select relname from pg_class where relkind = 'm'"),
    ("table", "select relname from pg_class where relkind = 'r'"),
    (
        "sequence",
        "select relname from pg_class c where relkind = 'S' and not exists"
        " (select 1 from pg_depend d where d.objid = c.oid and d.deptype in ('a', 'i'))",
    ),
    ("type", "select typname as relname from (select *, typnamespace as relnamespace from pg_type) c where typtype in ('e', 'd')"),
)


def restore(folder):
    """Put the dump of FOLDER in the place of everything in the schema: all in one transaction, or nothing.

    The database, who may use it and its settings stay as they are. One that is gone is made, if the role may.
    """
    try:
        then = told_by(folder)
        link = opened_or_made()
        try:
            if not compared(then, link):
                print("Mistral's database holds what was dumped already: nothing is done")
                return 0
            link.rollback()
            drops = drops_of(link)
        finally:
            link.close()
        played(folder, drops)
    except Wrong as error:
        print("nothing is restored: %s" % error)
        return 1
    print("restored from %s" % os.path.join(folder, DUMP))
    return same(folder)


def opened_or_made():
    """A link to the database; it is made first where the server says that there is none."""
    try:
        return connect()
    except Unusable as error:
        if error.cause != "database":
            raise
    name = environment().get("PGDATABASE", "")
    link = connect("postgres")
    try:
        link.commit()
        link.autocommit = True
        with link.cursor() as cursor:
            cursor.execute("create database %s" % quoted(name))
    except Exception as error:
        if not hasattr(error, "pgcode"):
            raise
        raise Wrong("the database %s is gone and cannot be made: %s" % (name, " ".join(str(error).split())))
    finally:
        link.close()
    print("the database %s was gone; it is made anew" % name)
    return connect()


def drops_of(link):
    """The statements that take away all that stands in the schema; without CASCADE, so that nobody else's things go along."""
    lines = []
    for kind, query in _STANDING:
        if kind == "materialized view" and link.server_version < 90300:
            continue
        where = " and relnamespace = (select oid from pg_namespace where nspname = current_schema()) order by 1"
        names = [row[0] for row in rows_of(link, query + where)]
        if names:
            lines.append("DROP %s %s;" % (kind.upper(), ", ".join(quoted(name) for name in names)))
    return "\n".join(lines).encode("utf-8")


def played(folder, drops):
    """The drops and the dump in one session of psql and one transaction. Raises Wrong."""
    listed = ours_of(folder)
    sys.stdout.flush()
    command = ["psql", "-X", "-w", "-q", "-o", os.devnull, "-v", "ON_ERROR_STOP=1", "-f", "-"]
    # pg_restore before 12 takes `-f -` for a file's name, later ones want -f.
    words = ["pg_restore", "--no-owner", "-f", "/dev/stdout", "-L", listed, os.path.join(folder, DUMP)]
    try:
        psql = subprocess.Popen(command, env=environment(), stdin=subprocess.PIPE)
        # Not psql's own --single-transaction: it commits what it got when whoever feeds it is killed.
        psql.stdin.write(b"SET client_min_messages = warning;\nBEGIN;\n" + drops + b"\n")
        psql.stdin.flush()
        code = subprocess.call(words, stdout=psql.stdin, env=environment())
        if not code:
            psql.stdin.write(b"\nCOMMIT;\n")
        psql.stdin.close()
        ended = psql.wait()
    except EnvironmentError as error:  # psql has said why it ended, and lets nothing more in
        raise Wrong("psql or pg_restore cannot be run, or ended early: %s" % error.strerror)
    finally:
        os.unlink(listed)
    if code or ended:
        raise Wrong("pg_restore ended with exit code %d, psql with %d; the transaction was rolled back" % (code, ended))


def since(epoch):
    """How many executions began after EPOCH; 0 in a database that has none of their tables."""
    link = connect()
    try:
        count = 0
        for table in sorted(set(tables_of(link)) & {"workflow_executions_v2", "executions_v2"}):
            query = "select count(*) from %s where created_at > to_timestamp(%%s) at time zone 'UTC'" % quoted(table)
            count += rows_of(link, query, (epoch,))[0][0]
        print(count)
    finally:
        link.close()
    return 0
