"""The database that mistral.conf names: how it is reached, and what stands in it. Python 2.7 and 3, in mistral's virtualenv.

The configuration is read by oslo.config and the URL by SQLAlchemy, as Mistral itself reads them. The password leaves this
process only in the environment of pg_dump and pg_restore; no message repeats a line of the file or the URL.
"""

import io
import os
import re

try:
    from urllib.parse import unquote
except ImportError:
    from urllib import unquote

from mistral_chain import chain, classify, columns_at

HOME = os.environ.get("STORMLIFT_MISTRAL", "/opt/stackstorm/mistral")
CONF = os.environ.get("STORMLIFT_MISTRAL_CONF", "/etc/mistral/mistral.conf")
EXECUTIONS = ("executions_v2", "workflow_executions_v2", "task_executions_v2", "action_executions_v2")
TELLING = ("event_triggers_v2", "workflow_executions_v2", "task_executions_v2", "action_executions_v2")
# A server that goes away in the middle of a question is noticed in a minute.
PATIENCE = {"connect_timeout": "10", "keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3"}
OURS = "stormlift"  # our own sessions are told apart from mistral's by their name
# What PostgreSQL and libpq say when nobody gets in, and what it means; the first that fits counts.
CAUSES = (
    ("conf", "invalid (dsn|connection option|integer value|port number|[a-z_]+ value)"),
    ("password", "password authentication failed|no password supplied"),
    ("role", "role .* does not exist"),
    ("database", "database .* does not exist"),
    ("pg_hba", "pg_hba.conf|(Peer|Ident) authentication failed"),
    ("starting", "is starting up|is shutting down|in recovery mode"),
    ("full", "too many clients|too many connections|connection slots"),
    ("disk", "No space left on device"),
    ("name", "could not translate host name"),
    ("permission", "permission denied"),
    ("locked", "lock timeout|statement timeout"),
    ("down", "refused|timeout expired|timed out|No route to host|unreachable|No such file or directory|could not connect"),
)


class Unusable(Exception):
    """Why there is no looking at the database; `cause` is a word of CAUSES, `conf` or `package`."""

    def __init__(self, cause, text):
        Exception.__init__(self, text)
        self.cause = cause


def cause_of(text):
    return next((cause for cause, words in CAUSES if re.search(words, text)), "unknown")


def url_of():
    """`[database] connection` of mistral.conf, by every name that oslo.db has had for it."""
    try:
        from oslo_config import cfg
        from sqlalchemy.engine import url
    except Exception as error:  # a module that was cut off is a SyntaxError
        raise Unusable("package", "its virtualenv lacks a module, or a part of one: %s" % " ".join(str(error).split()))
    names = (("sql_connection", "DEFAULT"), ("sql_connection", "DATABASE"), ("connection", "sql"))
    old = [cfg.DeprecatedOpt(name, group=group) for name, group in names]
    conf = cfg.ConfigOpts()
    conf.register_opt(cfg.StrOpt("connection", secret=True, deprecated_opts=old), group="database")
    try:
        conf(args=["--config-file", CONF], project="mistral")
        found = conf.database.connection
    except Exception as error:  # of any class; its text would repeat what could not be read
        raise Unusable("conf", "%s cannot be read (%s)" % (CONF, type(error).__name__))
    if not found:
        raise Unusable("conf", "%s has no [database] connection" % CONF)
    try:
        made = url.make_url(found)
    except Exception as error:  # of any class; its text would show the password
        raise no_url(type(error).__name__)
    # SQLAlchemy 1.4 ends the password at its first @, and libpq would name the rest of it as the host that it cannot find.
    if "@" in (made.host or ""):
        raise Unusable("conf", "the password in [database] connection in %s holds an @ as it is" % CONF)
    return made


def no_url(why):
    return Unusable("conf", "[database] connection in %s is no database URL (%s)" % (CONF, why))


# A URL that reads the same to everybody; what else there may be is left to those who define it.
_PLAIN = re.compile(
    r"postgres(?:ql)?(?:\+psycopg2)?://([\w.~-]+):((?:[\w.~-]|%[0-9A-Fa-f]{2})+)@([A-Za-z0-9.-]+)(?::(\d+))?/([\w-]+)\Z"
)
# Set by verbs that are asked between stop and start of st2, where the half second that oslo.config and SQLAlchemy take to be
# imported counts; whether a virtualenv has them is for the others to say.
in_haste = False


def plain_settings():
    """The parameters out of a mistral.conf as installers write it: one [database] with one plain connection; else None."""
    try:
        with io.open(CONF, encoding="utf-8") as opened:
            lines = opened.read().splitlines()
    except (EnvironmentError, ValueError):
        return None
    section, found = "", []
    for number, line in enumerate(lines):
        if line.startswith("["):
            section = line.strip()
        elif section == "[database]" and re.match(r"connection\s*[=:]", line):
            # A line that begins with a blank goes on with the one before.
            goes_on = number + 1 < len(lines) and lines[number + 1][:1] in (" ", "\t")
            found.append("" if goes_on else re.split("[=:]", line, maxsplit=1)[1].strip())
    match = _PLAIN.match(found[0]) if len(found) == 1 else None
    if not match:
        return None
    user, password, host, port, name = match.groups()
    known = {"user": user, "password": unquote(password), "host": host, "port": port, "dbname": name}
    return dict((key, str(value)) for key, value in known.items() if value)


def settings():
    """The connection's parameters, by libpq's names, as SQLAlchemy hands them to the driver."""
    found = plain_settings() if in_haste else None
    return found or settings_of(url_of())


def settings_of(url):
    kind = url.drivername.split("+")[0]
    if kind not in ("postgres", "postgresql"):
        raise Unusable("conf", "[database] connection in %s is %s, not PostgreSQL" % (CONF, kind))
    from sqlalchemy.dialects.postgresql import psycopg2 as dialect

    try:
        _, found = dialect.dialect().create_connect_args(url)
    except Exception as error:  # hosts and ports that cannot be joined
        raise no_url(type(error).__name__)
    found["dbname"] = found.pop("database", None) or found.get("dbname")
    return dict((key, str(value)) for key, value in found.items() if value)


def environment(database=""):
    """The same for PostgreSQL's own tools, or for another DATABASE of the server: nothing of it stands in an argv."""
    named = dict(("PG" + key.replace("_", "").upper(), value) for key, value in settings().items())
    named["PGDATABASE"] = database or named.pop("PGDBNAME", "")
    named["PGCONNECT_TIMEOUT"] = named.pop("PGCONNECTTIMEOUT", "10")
    return dict(os.environ, PGAPPNAME=OURS, **named)


def connect(database=""):
    """A link to the database, or to another DATABASE of its server; raises Unusable."""
    found = dict(PATIENCE, **settings())
    found.update(application_name=OURS, **({"dbname": database} if database else {}))
    try:
        import psycopg2
    except Exception as error:  # a module that was cut off is a SyntaxError
        raise Unusable("package", "its virtualenv lacks a module, or a part of one: %s" % " ".join(str(error).split()))
    try:
        link = psycopg2.connect(**found)
        # Whoever locks a table must not hold up a look for ever; el7 brings 9.2, which has no lock_timeout.
        patience = "lock_timeout = '10s'" if link.server_version >= 90300 else "statement_timeout = '300s'"
        link.cursor().execute("set %s" % patience)
    except (psycopg2.Error, ValueError) as error:  # a value with a zero byte is a ValueError
        text = " ".join(str(error).split())
        if cause_of(text) == "conf":  # it repeats a piece of the URL, and that may be one of the password
            raise no_url("libpq does not take its parameters")
        raise Unusable(cause_of(text), text)
    return link


def rows_of(link, query, values=()):
    with link.cursor() as cursor:
        cursor.execute(query, values)
        return cursor.fetchall()


def counts(link, tables):
    return dict((name, rows_of(link, 'select count(*) from "%s"' % name)[0][0]) for name in tables)


def state_of(link):
    """What classify says of the database behind LINK, and the names of the tables in it."""
    have = [row[0] for row in rows_of(link, "select tablename from pg_tables where schemaname = current_schema()")]
    recorded = rows_of(link, "select version_num from alembic_version") if "alembic_version" in have else []
    links, revision = chain(HOME), recorded[0][0] if len(recorded) == 1 else None
    lacking = ["%s.%s" % each for each in columns_at(HOME, links, revision) - columns(link) if each[0] in have]
    look = classify(links, revision, have, made_anew(link), lacking)
    if len(recorded) > 1:
        look["recorded"] = sorted(row[0] for row in recorded)
    return look, have


def columns(link):
    """(table, column) of all tables here, whoever may read them."""
    query = (
        "select c.relname, a.attname from pg_attribute a join pg_class c on c.oid = a.attrelid"
        " join pg_namespace n on n.oid = c.relnamespace"
        " where n.nspname = current_schema() and a.attnum > 0 and not a.attisdropped"
    )
    return set(tuple(row) for row in rows_of(link, query))


def made_anew(link):
    """The tables of 012 and 013 that a service has made and no migration, by the order of their columns.

    create_all puts columns where the models have them; the migrations make created_at first, and add `type` last (020).
    """
    places = {}
    for table, column, place in rows_of(
        link,
        "select table_name, column_name, ordinal_position from information_schema.columns"
        " where table_schema = current_schema() and table_name in %s",
        (TELLING,),
    ):
        places.setdefault(table, {})[column] = place
    signs = (("scope", "created_at"), ("type", "workflow_execution_id"))
    return sorted(
        table for table, at in places.items() if any(a in at and b in at and at[a] < at[b] for a, b in signs)
    )


def sessions(link):
    """Who else is on the database: address, application, user.

    The address is "local" for a socket, and "hidden" where the server shows it to the session's own role and to superusers
    only; then it shows no port either (a socket's is -1).
    """
    query = (
        "select host(client_addr), client_port, application_name, usename from pg_stat_activity"
        " where datname = current_database() and application_name <> '%s' and pid <> pg_backend_pid()"
        " and usename is not null order by 1, 3, 4" % OURS
    )
    return [
        {"address": at or ("local" if port else "hidden"), "application": name or "", "user": user or ""}
        for at, port, name, user in rows_of(link, query)
    ]


def look_at(link, count=True):
    """Everything that a plan rests on, as the JSON object of `look`."""
    look, have = state_of(link)
    look["rows"] = counts(link, sorted((set(look["drop"]) | set(EXECUTIONS)) & set(have))) if count else {}
    look["unfinished"] = 0
    if "executions_v2" in look["rows"]:
        query = "select count(*) from executions_v2 where state not in ('SUCCESS', 'ERROR')"
        look["unfinished"] = rows_of(link, query)[0][0]
    look["sessions"] = sessions(link)
    look["size"] = rows_of(link, "select pg_database_size(current_database())")[0][0]
    look["identity"] = identity(link)
    look["server"] = link.server_version
    # As the server sees both ends: behind a NAT or a pooler that is not what the hosts say of themselves.
    seen = rows_of(link, "select host(inet_client_addr()), host(inet_server_addr())")[0]
    look["client_address"], look["server_address"] = [each or "local" for each in seen]
    return look


def identity(link):
    """What tells this database from any other at this moment: the server's start, to the microsecond, and the name.

    The server's own number (system_identifier) is no help: machines cloned from one image share it.
    """
    query = "select extract(epoch from pg_postmaster_start_time())::text, current_database()"
    return "/".join(rows_of(link, query)[0])


def unusable(error):
    """The look at a database that nobody can look at."""
    state = "half-installed" if error.cause == "package" else "unreachable"
    return dict(classify(chain(HOME), None, []), state=state, pending=[], cause=error.cause, error=str(error))


def look_safely(count=False):
    """look_at the database, or why that cannot be."""
    try:
        link = connect()
    except Unusable as error:
        return unusable(error)
    import psycopg2

    try:
        return look_at(link, count)
    except psycopg2.Error as error:
        text = " ".join(str(error).split())
        return unusable(Unusable(cause_of(text), text))
    finally:
        link.close()
