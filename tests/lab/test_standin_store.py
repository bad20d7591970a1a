"""MongoDB of the stand-in, as its own tools and st2's pymongo meet it: flags, exit codes, a round trip."""

import json
from collections.abc import Iterator

import pytest

from lab.docker import Result
from lab.fleet import Fleet
from lab.topology import deployment
from tests.lab.ground import Ground
from tests.lab.standin import BIN, said, shell, store_down, stored, tried

pytestmark = pytest.mark.lab

HOST = "apt1"
WORD = deployment(HOST).st2_password
LOGIN = ("--host=127.0.0.1:5432", "--username=st2", "--authenticationDatabase=st2")
ARCHIVE = "--archive=/root/st2.archive"
RENAMED = ("--nsFrom=st2.*", "--nsTo=other.*")
# By the client of st2's virtualenv: what it says to a line of Python about the database `db`.
ASKED = """
import json, time
from urllib.parse import quote
from bson.objectid import ObjectId
from pymongo import MongoClient, errors
def db(name="st2", word={word!r}, user="st2", source="st2", port=5432):
    return MongoClient("mongodb://%s:%s@127.0.0.1:%d/?authSource=%s" % (user, quote(word, safe=""), port, source))[name]
def refused(what):
    try:
        return what()
    except errors.PyMongoError as error:
        return [type(error).__name__, getattr(error, "code", None)]
def began_since(moment):
    query = {{"_id": {{"$gt": ObjectId("%08x" % int(moment) + "f" * 16)}}}}
    return int(db().command("count", "action_execution_d_b", query=query)["n"])
print(json.dumps({asked}))
"""


@pytest.fixture(scope="module", autouse=True)
def _apt1(ground: Ground) -> None:
    """Its database goes and comes back."""
    ground.fresh(HOST)


@pytest.fixture
def other(fleet: Fleet) -> Iterator[str]:
    """A database that a test makes, gone afterwards."""
    yield "other"
    shell(fleet, HOST, "su postgres -c 'psql -XAtqc \"drop database if exists other\"'")


def ran(fleet: Fleet, tool: str, *flags: str, stdin: str = f"{WORD}\n") -> Result:
    return tried(fleet, HOST, tool, *flags, stdin=stdin)


def asked(fleet: Fleet, what: str) -> object:
    """What pymongo says to WHAT."""
    program = ASKED.format(word=WORD, asked=what)
    return json.loads(said(fleet, HOST, f"{BIN}/python", "-c", program))


def dumped(fleet: Fleet) -> None:
    done = ran(fleet, "mongodump", *LOGIN, "--db=st2", ARCHIVE)
    assert done.returncode == 0, done.stderr


def sql(fleet: Fleet, database: str, text: str) -> str:
    return shell(fleet, HOST, f"su postgres -c 'psql -XAtqd {database} -c \"{text}\"'")


@pytest.mark.parametrize("tool", ["mongodump", "mongorestore"])
def test_only_known_flags_are_taken(fleet: Fleet, tool: str) -> None:
    """A flag of somebody's guess is code 3 (mongo-tools, util.ExitBadOptions, up to 4.2)."""
    told = ran(fleet, tool, *LOGIN, ARCHIVE, "--out=/tmp")
    assert (told.returncode, 'unknown option "out"' in told.stderr) == (3, True)
    assert said(fleet, HOST, tool, "--version").startswith(f"{tool} version: r4.0")
    assert "--archive=" in said(fleet, HOST, tool, "--help")
    assert ("--nsFrom=" in said(fleet, HOST, tool, "--help")) == (tool == "mongorestore")


def test_the_password_is_a_line_of_standard_input(fleet: Fleet) -> None:
    """Where that is no terminal; an input that ends without a line's end is a panic (common/password/password.go of 3.x)."""
    dumped(fleet)
    told = ran(fleet, "mongodump", *LOGIN, "--db=st2", ARCHIVE, stdin="wrong\n")
    assert (told.returncode, "Authentication failed" in told.stderr) == (1, True)
    told = ran(fleet, "mongodump", *LOGIN, "--db=st2", ARCHIVE, stdin=WORD)
    assert (told.returncode, "panic" in told.stderr) == (2, True)
    told = ran(fleet, "mongodump", *LOGIN[:2], "--authenticationDatabase=admin", "--db=st2", ARCHIVE)
    assert (told.returncode, "Authentication failed" in told.stderr) == (1, True), "the database st2 knows the user"


def test_a_server_that_is_away_is_not_reachable(fleet: Fleet) -> None:
    told = ran(fleet, "mongodump", "--host=127.0.0.1:1", *LOGIN[1:], "--db=st2", ARCHIVE)
    assert (told.returncode, "no reachable servers" in told.stderr) == (1, True)
    store_down(fleet, HOST, down=True)
    try:
        assert "no reachable servers" in ran(fleet, "mongorestore", *LOGIN, ARCHIVE).stderr
        assert asked(fleet, 'refused(lambda: db().command("ping"))') == ["ServerSelectionTimeoutError", None]
    finally:
        store_down(fleet, HOST, down=False)


def test_what_was_dumped_is_restored_under_another_name(fleet: Fleet, other: str) -> None:
    dumped(fleet)
    told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED, "--stopOnError")
    assert told.returncode == 0, told.stderr
    rows = "select md5(string_agg(t::text, chr(10) order by t::text)) from {} t"
    for table in ("key_value_pair_d_b", "api_key_d_b", "content_d_b", "action_execution_d_b"):
        assert sql(fleet, "st2", rows.format(table)) == sql(fleet, other, rows.format(table))
        shapes = [
            shell(fleet, HOST, f"su postgres -c 'pg_dump -s -t {table} {name}' | grep -vE '^(--|.(un)?restrict|$)'")
            for name in ("st2", other)
        ]
        assert shapes[0] == shapes[1]
    assert asked(fleet, 'db("other").command("dbHash") == db().command("dbHash")') is True
    assert "lab_server" not in sql(fleet, other, "select tablename from pg_tables")


def test_a_document_that_is_there_already_stops_a_restore_only_when_told(fleet: Fleet, other: str) -> None:
    dumped(fleet)
    assert ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED).returncode == 0
    told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED, "--stopOnError")
    assert (told.returncode, "E11000 duplicate key error" in told.stderr) == (1, True)
    told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED)
    assert (told.returncode, "E11000 duplicate key error" in told.stderr) == (0, True)


def test_a_byte_that_flipped_is_told_by_the_checksum_when_the_documents_are_in(fleet: Fleet, other: str) -> None:
    dumped(fleet)
    shell(fleet, HOST, "sed -i '0,/jenkins.example.com/s//jenkins.example.org/' /root/st2.archive")
    told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED, "--stopOnError")
    assert (told.returncode, "CRC mismatch for namespace other.key_value_pair_d_b" in told.stderr) == (1, True)
    assert "jenkins.example.org" in sql(fleet, other, "select doc from key_value_pair_d_b")
    dumped(fleet)
    shell(fleet, HOST, "truncate -s -9 /root/st2.archive")
    told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED)
    assert (told.returncode, "corruption found in archive" in told.stderr) == (1, True)
    assert "does not appear to be a mongodump archive" in ran(fleet, "mongorestore", "--archive=/etc/passwd").stderr


def test_a_role_that_may_make_no_database_is_told_so(fleet: Fleet, other: str) -> None:
    dumped(fleet)
    sql(fleet, "st2", "alter role st2 nocreatedb")
    try:
        told = ran(fleet, "mongorestore", *LOGIN, ARCHIVE, *RENAMED)
        assert (told.returncode, "not authorized on other" in told.stderr) == (1, True)
        assert asked(fleet, 'refused(lambda: db("other").command("create", "x"))') == ["OperationFailure", 13]
    finally:
        sql(fleet, "st2", "alter role st2 createdb")


def test_pymongo_has_the_collections_and_refuses_what_readwrite_may_not(fleet: Fleet, other: str) -> None:
    names = ["action_execution_d_b", "api_key_d_b", "content_d_b", "key_value_pair_d_b"]
    assert asked(fleet, "db().collection_names()") == names
    assert asked(fleet, 'int(db().command("count", "key_value_pair_d_b")["n"])') == len(stored(fleet, HOST))
    assert asked(fleet, 'db().command("dbStats")["dataSize"] > 0') is True
    assert asked(fleet, 'refused(lambda: db(word="wrong").command("ping"))') == ["OperationFailure", 18]
    assert asked(fleet, 'refused(lambda: db(source="admin").command("ping"))') == ["OperationFailure", 18]
    assert asked(fleet, 'refused(lambda: db().command("dance"))') == ["OperationFailure", 59]
    assert asked(fleet, 'refused(lambda: MongoClient("mongodb://h/").drop_database("st2"))') == ["OperationFailure", 13]
    assert asked(fleet, 'refused(lambda: MongoClient("mongodb://h/", maxPoolSize=1))') == ["ConfigurationError", None]
    made = (
        '[db("other").command("create", "x")["ok"], db("other").collection_names(), db("other").drop_collection("x")]'
    )
    assert asked(fleet, made) == [1.0, ["x"], None]
    assert other not in sql(fleet, "st2", "select datname from pg_database").split()


def test_ids_of_executions_tell_when_they_began(fleet: Fleet) -> None:
    before = asked(fleet, "[int(time.time()) - 1, began_since(0)]")
    assert isinstance(before, list)
    said(fleet, HOST, "st2", "run", "core.local", "cmd=true")
    assert asked(fleet, f"[began_since(0), began_since({before[0]}), began_since(time.time())]") == [
        before[1] + 1,
        1,
        0,
    ]
