"""Send the records of executions_v2 as one stream: a line of JSON, the gzip'd COPY text, a line of JSON. Python 2.7 and 3.

Nothing is held in memory and nothing is written on the host: rows go from libpq, or from the pipe of pg_restore, straight
into the compressor. They are sent in the table's own order; sorted by the server, a large table would need as much room
again on the disk that its write-ahead log needs, too.
"""

import hashlib
import json
import os
import re
import resource
import subprocess
import sys
import time
import zlib

from mistral_database import Unusable, connect, identity, rows_of

TABLE = "executions_v2"
MARK = b"@stormlift-export "  # what a login shell may print comes before it
BLOCK = 1 << 16
# The link is seldom what takes longest, and the host may be serving: little work for it.
LEVEL = 1
COPY_HEAD = re.compile(('^COPY (?:[^ ]+\\.)?"?%s"? \\((.*)\\) FROM stdin;$' % TABLE).encode())
ENCODING = re.compile(b"^SET client_encoding = '(.*)';$")


class Refused(Exception):
    """Why there is nothing to send."""


class Sink(object):
    """A file to COPY into: counted, digested, compressed, written out."""

    def __init__(self, out):
        self.out, self.rows, self.size = out, 0, 0
        self.sha = hashlib.sha256()
        self.zip = zlib.compressobj(LEVEL, zlib.DEFLATED, 31)

    def head(self, **said):
        self.out.write(MARK + line_of(said))
        self.out.flush()

    def write(self, block):
        block = bytes(block)
        self.sha.update(block)
        self.size += len(block)
        self.rows += block.count(b"\n")  # COPY writes a value's own newlines as \n
        self.out.write(self.zip.compress(block))

    def foot(self, **said):
        self.out.write(self.zip.flush())
        said.update(rows=self.rows, bytes=self.size, sha256=self.sha.hexdigest(), rss_kib=peak_kib())
        self.out.write(line_of(said))
        self.out.flush()


def line_of(said):
    return json.dumps(said, sort_keys=True).encode("ascii") + b"\n"


def peak_kib():
    """The most memory that this process and the largest of its children ever had."""
    try:
        with open("/proc/self/status") as opened:
            own = int(re.search(r"VmHWM:\s+(\d+)", opened.read()).group(1))
    except (EnvironmentError, AttributeError):
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return own + resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss


def export(words):
    """Verb `export [--dump FILE]`: what went wrong is said on stderr, for stdout belongs to the data."""
    sink = Sink(getattr(sys.stdout, "buffer", sys.stdout))
    try:
        if words[:1] == ["--dump"] and len(words) == 2:
            return dumped(sink, words[1])
        return live(sink)
    except (Refused, Unusable) as error:
        sys.stderr.write("%s\n" % error)
    except EnvironmentError as error:  # nobody listens any more
        sys.stderr.write("%s\n" % error)
    return 1


# --- from the database -------------------------------------------------------------------------------------


def live(sink):
    link = connect()
    import psycopg2

    try:
        link.commit()
        link.set_session(isolation_level="REPEATABLE READ", readonly=True)
        send(link, sink)
    except psycopg2.Error as error:
        raise Refused(" ".join(str(error).split()))
    finally:
        link.close()
    return 0


def send(link, sink):
    """All of it in one transaction: what is sent and what the server counts are the same moment."""
    with link.cursor() as cursor:
        cursor.execute("set statement_timeout = 0")
        cursor.execute("set synchronize_seqscans = off")  # else a scan may begin in the middle, where another one is
        encoding = rows_of(link, "show server_encoding")[0][0]
        # A SQL_ASCII database holds bytes that nothing can convert.
        encoding = encoding if encoding == "SQL_ASCII" else "UTF8"
        cursor.execute("set client_encoding = '%s'" % encoding)
        columns = columns_of(link)
        named = ", ".join(quoted(each) for each in columns)
        name = rows_of(link, "select current_database()")[0][0]
        database = {"name": name, "identity": identity(link), "server": link.server_version}
        sink.head(columns=columns, encoding=encoding, source="database", of=database, started=time.time())
        cursor.copy_expert("COPY (SELECT %s FROM %s) TO STDOUT" % (named, TABLE), sink, BLOCK)
        cursor.execute(digest_query(TABLE, columns, encoding))  # without values: its own %s is format's
        rows, high, low = cursor.fetchone()
    sink.foot(digest={"rows": rows, "high": str(high), "low": str(low)})


def quoted(name):
    return '"%s"' % name.replace('"', '""')


def columns_of(link):
    query = (
        "select column_name from information_schema.columns"
        " where table_schema = current_schema() and table_name = '%s' order by ordinal_position" % TABLE
    )
    columns = [row[0] for row in rows_of(link, query)]
    if not columns:
        name = rows_of(link, "select current_database()")[0][0]
        raise Refused("the database %s has no table %s" % (name, TABLE))
    return columns


def digest_query(table, columns, encoding):
    """The server's own digest of a table's rows, whatever their order: how many, and the sum of 120 bits of each one's md5.

    A row's md5 is taken over the md5 of each value's text ("-" for null), so that no text grows beyond what one value is.
    format() writes a value as COPY does, where a cast to text writes booleans as words. PostgreSQL 9.1 and later.
    """
    text = "format('%%s', %s)" if encoding == "SQL_ASCII" else "convert_to(format('%%s', %s), 'UTF8')"
    each = "case when {0} is null then '-' else md5(%s) end" % (text % "{0}")
    # concat takes at most 100 arguments; || has no such limit.
    row = " || ".join(each.format(quoted(name)) for name in columns)
    half = "coalesce(sum(('x' || substr(m, %d, 15))::bit(60)::bigint), 0)"
    query = "select count(*), %s, %s from (select md5(%s) as m from %s) as each_row"
    return query % (half % 1, half % 16, row, quoted(table))


# --- from a dump -------------------------------------------------------------------------------------------


def dumped(sink, path):
    if not os.path.exists(path):
        raise Refused("there is no file %s" % path)
    # pg_restore before 12 takes `-f -` for a file's name, later ones want -f.
    words = ["pg_restore", "-f", "/dev/stdout", "-a", "-t", TABLE, path]
    try:
        restore = subprocess.Popen(words, stdout=subprocess.PIPE, bufsize=BLOCK)
    except OSError as error:
        raise Refused("pg_restore cannot be run: %s" % error.strerror)
    try:
        found = cut_out(restore.stdout, sink, path)
        restore.stdout.close()
        code = restore.wait()
    finally:
        if restore.poll() is None:
            restore.kill()
            restore.wait()
    if code:
        return 1  # pg_restore has said why
    if not found:
        raise Refused("%s holds no data of a table %s" % (path, TABLE))
    sink.foot()
    return 0


def cut_out(text, sink, path):
    """Send the COPY block out of TEXT; True when there is one."""
    encoding, inside, found = "UTF8", False, False
    for line in text:
        if inside:
            inside = line != b"\\.\n"
            if inside:
                sink.write(line)
            continue
        encoding = encoding_of(line) or encoding
        columns = COPY_HEAD.match(line.rstrip(b"\n"))
        if columns and found:
            raise Refused("%s holds more than one table %s" % (path, TABLE))
        if columns:
            inside = found = True
            names = [name.strip('"') for name in columns.group(1).decode("utf-8").split(", ")]
            dump = {"size": os.path.getsize(path)}
            sink.head(columns=names, encoding=encoding, source="dump", of=dump, started=time.time())
    if inside:
        raise Refused("%s is cut off in the middle of %s" % (path, TABLE))
    return found


def encoding_of(line):
    found = ENCODING.match(line.rstrip(b"\n"))
    return found.group(1).decode("ascii") if found else ""
