"""st2's own database: looked at, dumped, proved and put back by the real program of hosts."""

import json
from pathlib import Path
from typing import Any

import pytest

from remote import facts as parsers
from rollout.facts import StoreFacts
from tests.pure.mongo import CONF, NAME, WORD, MongoHost, executions

EXECUTIONS = "action_execution_d_b"


@pytest.fixture
def host(tmp_path: Path) -> MongoHost:
    return MongoHost(tmp_path)


@pytest.fixture
def dumped(host: MongoHost) -> MongoHost:
    """A host that took its dump under the hold."""
    host.good("dump")
    return host


def looked(host: MongoHost) -> StoreFacts:
    found = parsers.read_store(host.good("look"))
    assert found is not None
    return found


# Looking.


def test_a_look_says_what_there_is_and_what_could_dump_it(host: MongoHost) -> None:
    found = looked(host)
    assert (found.kind, found.db, found.release, found.cause) == ("mongodb", "st2", "4.0.28", "")
    assert found.collections == {"key_value_pair_d_b": 3, EXECUTIONS: 3, "user_d_b": 0}
    assert found.size > 0 and (found.tool, found.restore_tool) == ("4.0.28", "4.0.28")


def test_a_tool_that_is_not_there_has_no_release(host: MongoHost) -> None:
    host.remove("mongorestore")
    assert (looked(host).tool, looked(host).restore_tool) == ("4.0.28", "")


@pytest.mark.parametrize(
    ("server", "conf", "cause", "says"),
    [
        (
            {"down": True},
            CONF,
            "unreachable",
            "MongoDB at db1:27017 does not answer: db1:27017: [Errno 111] Connection refused",
        ),
        ({}, CONF.replace("db1", "db9"), "unreachable", "MongoDB at db9:27017 does not answer"),
        ({}, CONF.replace(WORD, "old"), "login", "MongoDB at db1:27017 refuses: Authentication failed."),
        ({}, CONF.replace(f"password = {WORD}", ""), "login", "refuses: Authentication failed."),
        ({"may": ["admin"]}, CONF, "rights", "refuses: not authorized on st2"),
        ({}, CONF.replace("27017", "many"), "settings", "[database] port is no number"),
        ({}, f"password = {WORD}\n{CONF}", "settings", "is not what a configuration file looks like"),
        (
            {},
            f"[database]\nhost = mongodb://stackstorm:{WORD}@db1:27017/st2\n",
            "settings",
            "is a character in it not escaped?",
        ),
    ],
)
def test_what_cannot_be_looked_at_is_told_with_its_cause(
    host: MongoHost, server: dict[str, Any], conf: str, cause: str, says: str
) -> None:
    host.becomes(**server)
    host.conf.write_text(conf)
    found = looked(host)
    assert found.cause == cause and says in found.sentence and found.tool == "4.0.28"
    assert "Topology" not in found.sentence


def test_a_virtualenv_without_pymongo_is_no_failure(host: MongoHost) -> None:
    (host.host.folder / "site/pymongo/errors.py").unlink()
    assert looked(host).cause == "library"


def test_the_release_is_told_before_anybody_logs_in(host: MongoHost) -> None:
    host.conf.write_text(CONF.replace(WORD, "wrong"))
    assert host.good("release") == "mongodb 4.0.28\n"
    assert host.host.call("mongodb-in", "4.0", "4.3").returncode == 0
    assert (
        host.host.call("mongodb-in", "4.4", "7.1").stderr
        == "MongoDB is 4.0.28; needed is 4.4 or later, older than 7.1\n"
    )
    host.becomes(down=True)
    assert "the release of MongoDB could not be read" in host.host.call("mongodb-in", "4.0", "4.3").stderr


def test_executions_since_a_moment_are_counted(host: MongoHost) -> None:
    assert [host.good("since", moment) for moment in ("999", "1000", "2500.7", "3000")] == ["3\n", "2\n", "1\n", "0\n"]
    host.documents = {"user_d_b": {}}
    assert host.good("since", "1") == "0\n"


# How the server is reached.

URL = "mongodb://stackstorm:c%40nary%2Fof%3Athe%2Bstore@db1:27017,db2:27017/{db}?authSource=admin&replicaSet=rs0"


@pytest.mark.parametrize(
    ("conf", "login", "flags"),
    [
        (f"[database]\nhost = {URL.format(db='st2')}\n", ["stackstorm", WORD, "admin"], "--host=rs0/db1:27017,db2:27017 "),
        (f"[database]\ndb_name = other\nhost = {URL.format(db='st2')}\n", ["stackstorm", WORD, "admin"], "--db=st2 "),
        (f"[database]\ndb_name = st2\nhost = {URL.format(db='')}\n", ["stackstorm", WORD, "admin"], "--db=st2 "),
        (CONF.replace("db1", "db1:27017,db2").replace("port = 27017", "port = 27018"), ["stackstorm", WORD, "st2"],
         "--host=db1:27017,db2:27018 "),
        (CONF.replace("db1", "2001:db8::1"), ["stackstorm", WORD, "st2"], "--host=[2001:db8::1]:27017 "),
        (CONF, ["stackstorm", WORD, "admin"], "--authenticationDatabase=admin "),  # where pymongo 4 looks
        (CONF, ["stackstorm", WORD, "st2"], "--username=stackstorm --authenticationDatabase=st2 "),
        ("[database]\nhost = db1\n", None, "--host=db1:27017 --db=st2 "),
        (f"{CONF}ssl = True\nssl_ca_certs = /etc/ca.pem\nssl_cert_reqs = none\n", ["stackstorm", WORD, "st2"],
         "--ssl --sslCAFile=/etc/ca.pem --sslAllowInvalidCertificates "),
        (f"{CONF}tls_ca_file = /etc/ca.pem\ntls_allow_invalid_hostnames = True\n", ["stackstorm", WORD, "st2"],
         "--ssl --sslCAFile=/etc/ca.pem --sslAllowInvalidHostnames "),
        (f"{CONF}tls_certificate_key_file = /etc/client.pem\n", ["stackstorm", WORD, "st2"], "--sslPEMKeyFile=/etc/cl"),
    ],
)  # fmt: skip
def test_every_way_that_st2_knows_leads_there(host: MongoHost, conf: str, login: list[str] | None, flags: str) -> None:
    host.becomes(login=login, at="[2001:db8::1]:27017" if "::" in conf.partition("user")[0] else "db1:27017")
    host.conf.write_text(conf)
    host.good("dump")
    assert flags in (host.host.folder / "mongo.json.seen").read_text()


@pytest.mark.parametrize("pymongo", ["2.9.5", "3.2.2", "4.6.3"])
def test_every_pymongo_that_st2_brought_is_told_in_its_own_words(host: MongoHost, pymongo: str) -> None:
    host.environment["FAKE_PYMONGO"] = pymongo
    host.conf.write_text(f"{CONF}ssl = True\nssl_ca_certs = /etc/ca.pem\nssl_match_hostname = False\n")
    assert looked(host).collections["key_value_pair_d_b"] == 3, looked(host).sentence


def test_a_key_and_a_certificate_in_two_files_are_one_for_the_tools_and_gone_after_them(host: MongoHost) -> None:
    key, cert = host.host.folder / "key.pem", host.host.folder / "cert.pem"
    key.write_text("KEY\n"), cert.write_text("CERT\n")
    host.conf.write_text(f"{CONF}ssl_keyfile = {key}\nssl_certfile = {cert}\n")
    host.good("dump")
    words = (host.host.folder / "mongo.json.seen").read_text().split()
    (joined,) = {Path(word.partition("=")[2]) for word in words if word.startswith("--sslPEMKeyFile=")}
    assert joined.suffix == ".pem" and joined not in (key, cert) and not joined.exists()
    key.unlink()
    assert f"{key} cannot be read: No such file" in host.bad("dump") and not host.archive.exists()


@pytest.mark.parametrize(
    ("conf", "says"),
    [
        (CONF.replace(WORD, f"{WORD}\x08"), "has a control character"),
        (
            f"{CONF}tls_certificate_key_file = /etc/c.pem\ntls_certificate_key_file_password = {WORD}\n",
            "has a password",
        ),
    ],
)
def test_what_no_tool_can_be_told_is_said_before_it_is_asked(host: MongoHost, conf: str, says: str) -> None:
    host.becomes(login=["stackstorm", WORD + ("\x08" if "\x08" in conf else ""), "st2"])
    host.conf.write_text(conf)
    assert says in host.bad("dump") and not host.archive.exists()


# Dumping.


def test_a_dump_is_read_back_and_told(host: MongoHost) -> None:
    said = host.good("dump")
    assert "3 collections" in said and "read back; digests by dbHash" in said
    assert host.told["exact"] and (host.told["db"], host.told["release"]) == ("st2", "4.0.28")
    assert {name: each["documents"] for name, each in host.told["collections"].items()} == looked(host).collections
    assert sorted(path.name for path in host.folder.iterdir()) == ["seconds.store", "store.archive", "store.json"]
    assert {path.stat().st_mode & 0o777 for path in host.folder.iterdir()} == {0o600}
    assert json.loads((host.folder / "seconds.store").read_text()) >= 0


def test_what_was_written_to_meanwhile_has_no_digest_and_the_number_that_the_archive_has(host: MongoHost) -> None:
    host.becomes(tool={"moves": {EXECUTIONS: {"_id": "f" * 24}, "token_d_b": {"_id": "t"}}})
    said = host.good("dump")
    assert f"written to meanwhile, and so without a digest: {EXECUTIONS}, token_d_b" in said
    assert host.told["exact"] is False
    assert host.told["collections"][EXECUTIONS] == {"documents": 3, "digest": "", "indexes": ["_id_"]}
    assert host.told["collections"]["token_d_b"] == {"documents": 0, "digest": "", "indexes": ["_id_"]}
    assert host.told["collections"]["key_value_pair_d_b"]["digest"]


def test_a_number_that_the_server_noted_wrong_is_counted_anew(host: MongoHost) -> None:
    host.becomes(notes={EXECUTIONS: 2})  # as a crash of mongod may leave it
    host.good("dump")
    assert host.told["collections"][EXECUTIONS]["documents"] == 3


def test_under_a_running_st2_nothing_locks_the_database(host: MongoHost) -> None:
    (host.host.state / "hold").unlink()
    assert "digests by walk" in host.good("dump")
    assert "asked" not in host.state, "dbHash keeps writers out"
    host.good("same", NAME)
    assert "are what was dumped" in host.good("scratch", NAME)


def test_where_the_server_gives_no_digest_the_documents_are_walked_through(host: MongoHost) -> None:
    host.becomes(no_dbhash=True)
    host.good("dump")
    assert host.told["digest"] == "walk" and host.told["exact"]
    host.good("same", NAME)
    changed = host.documents
    changed["key_value_pair_d_b"]["a"]["value"] = "another"
    host.documents = changed
    assert "key_value_pair_d_b differs: its 3 documents are not those" in host.bad("same", NAME)


@pytest.mark.parametrize(
    ("server", "says"),
    [
        ({"tool": {"ends": "full"}}, "No space left on device"),
        ({"tool": {"ends": "killed"}}, "mongodump was ended by signal 9"),
        ({"tool": {"loses": "b"}}, "not all is in its archive: key_value_pair_d_b has 3 documents, the archive 2"),
        ({"unknown": ["archive"]}, "mongodump 4.0.28 knows no --archive"),
        ({"down": True}, "does not answer"),
        ({"may": []}, "refuses: not authorized on st2"),
    ],
)
def test_half_a_dump_is_none_and_an_earlier_one_does_not_take_its_place(
    dumped: MongoHost, server: dict[str, Any], says: str
) -> None:
    """A step is run again only when nobody knows how it ended; then what it left does not count."""
    dumped.becomes(**server)
    assert says in dumped.bad("dump")
    if "tool" in server:
        assert not {"store.archive", "store.archive.new", "store.json"} & {
            each.name for each in dumped.folder.iterdir()
        }
    dumped.becomes(**{name: {} for name in server} | {"may": ["st2"]})
    dumped.good("dump")
    dumped.good("same", NAME)


def test_a_dump_without_its_tool_says_which_package_brings_it(host: MongoHost) -> None:
    host.remove("mongodump")
    assert "mongodump cannot be run: install mongodb-org-tools" in host.bad("dump")


# Damage.


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0x40
    path.write_bytes(bytes(data))


def test_a_byte_that_flipped_where_lengths_stand_is_noticed_when_it_is_read(dumped: MongoHost) -> None:
    start = dumped.archive.read_bytes().index(b"collection\0")
    for at in (0, 7, dumped.archive.stat().st_size - 2):
        flip(dumped.archive, at)
        for verb in ("scratch", "restore"):
            assert "is no whole archive at byte" in dumped.bad(verb, NAME)
        flip(dumped.archive, at)
    assert start and dumped.documents["key_value_pair_d_b"], "nothing was dropped for it"
    dumped.good("scratch", NAME)


def test_a_byte_that_flipped_in_a_document_is_noticed_by_the_digest(dumped: MongoHost) -> None:
    """The seal's SHA-256 notices it first, and mongorestore's checksum; this is the last net."""
    flip(dumped.archive, dumped.archive.read_bytes().index(b'"vb"') + 1)
    assert "key_value_pair_d_b differs: its 3 documents are not those of the backup" in dumped.bad("scratch", NAME)


@pytest.mark.parametrize("lost", [1, 60, 400])
def test_an_archive_that_was_cut_off_is_none(dumped: MongoHost, lost: int) -> None:
    data = dumped.archive.read_bytes()
    dumped.archive.write_bytes(data[:-lost])
    said = dumped.bad("restore", NAME)
    assert "is no whole archive" in said or "holds 0 documents of" in said
    assert len(dumped.documents["key_value_pair_d_b"]) == 3, "nothing was dropped for it"


def test_an_archive_of_other_documents_than_its_page_says_is_refused(dumped: MongoHost) -> None:
    page = dumped.told
    page["collections"]["key_value_pair_d_b"]["documents"] = 4
    (dumped.folder / "store.json").write_text(json.dumps(page))
    assert "holds 3 documents of key_value_pair_d_b, not 4" in dumped.bad("restore", NAME)


@pytest.mark.parametrize(
    "text", ["", "{}", "[]", '{"schema": "stormlift.store/1", "digest": "dbHash", "collections": {"a": 1}}']
)
def test_a_page_that_cannot_be_read_is_refused(dumped: MongoHost, text: str) -> None:
    (dumped.folder / "store.json").write_text(text)
    for verb in ("scratch", "restore", "same"):
        assert "store.json is damaged" in dumped.bad(verb, NAME)
    (dumped.folder / "store.json").unlink()
    assert "store.json cannot be read: No such file" in dumped.bad("same", NAME)


# Proving.


def test_a_dump_is_proved_in_a_scratch_database_that_is_gone_afterwards(dumped: MongoHost) -> None:
    before = dumped.state["databases"]
    assert "3 collections are what was dumped" in dumped.good("scratch", NAME)
    assert dumped.state["databases"] == before


def test_what_a_killed_proof_left_is_dropped_first(dumped: MongoHost) -> None:
    before = dumped.state["databases"]
    dumped.becomes(databases={**before, "stormlift_scratch_st2": {"key_value_pair_d_b": {"a": {"_id": "a"}}}})
    dumped.good("scratch", NAME)
    assert dumped.state["databases"] == before


@pytest.mark.parametrize("tool", [{"restore ends": True}, {"spoils": "key_value_pair_d_b"}])
def test_a_proof_that_fails_leaves_nothing(dumped: MongoHost, tool: dict[str, Any]) -> None:
    before = dumped.state["databases"]
    dumped.becomes(tool=tool)
    said = dumped.bad("scratch", NAME)
    assert "ended by signal 9" in said or "differs: 3 documents in the backup, 2 here" in said
    assert dumped.state["databases"] == before


def test_a_role_that_may_make_no_scratch_database_proves_nothing_and_breaks_nothing(dumped: MongoHost) -> None:
    before = dumped.state["databases"]
    dumped.becomes(may=["st2"])
    said = dumped.bad("scratch", NAME, code=2)
    assert said.startswith("not proved: the role may make no scratch database: not authorized on stormlift_scratch_st2")
    assert (
        'db.getSiblingDB("st2").grantRolesToUser("stackstorm", [{role: "readWrite", db: "stormlift_scratch_st2"}])'
        in said
    )
    assert dumped.state["databases"] == before


def test_a_mongorestore_that_cannot_rename_proves_nothing(dumped: MongoHost) -> None:
    dumped.becomes(unknown=["nsFrom"], tools="r3.2.22")
    assert "not proved: mongorestore 3.2.22 knows no --nsFrom" in dumped.bad("scratch", NAME, code=2)
    dumped.documents = {}
    dumped.good("restore", NAME)


# Going back.


def test_what_stands_there_goes_and_what_was_dumped_comes_back(dumped: MongoHost) -> None:
    before = dumped.state["databases"]
    dumped.documents = {
        "key_value_pair_d_b": {"a": {"_id": "a", "value": "another"}},
        EXECUTIONS: executions(1000, 9000),
        "workflow_execution_d_b": {"w": {"_id": "w"}},
    }
    assert "workflow_execution_d_b differs: 0 documents in the backup, 1 here" in dumped.bad("same", NAME)
    assert f"holds what {dumped.archive} was made of" in dumped.good("restore", NAME)
    assert dumped.state["databases"] == before, "and nobody else's database was touched"
    dumped.good("same", NAME)


def test_a_restore_that_was_cut_off_begins_again(dumped: MongoHost) -> None:
    before = dumped.state["databases"]
    dumped.documents = {"key_value_pair_d_b": {}, "left": {"l": {"_id": "l"}}}
    dumped.becomes(tool={"restore ends": True})
    assert "mongorestore was ended by signal 9" in dumped.bad("restore", NAME)
    dumped.bad("same", NAME)
    dumped.becomes(tool={})
    dumped.good("restore", NAME)
    assert dumped.state["databases"] == before


def test_a_restore_that_was_cut_off_before_the_indexes_begins_again(dumped: MongoHost) -> None:
    before = dumped.state
    dumped.documents = {}
    dumped.becomes(tool={"no indexes": True}, indexes={})
    said = dumped.bad("restore", NAME)
    assert "key_value_pair_d_b differs: the backup has the indexes _id_, uid_1, here are _id_" in said
    dumped.becomes(tool={})
    assert "nothing is done" not in dumped.good("restore", NAME)
    assert (dumped.state["databases"], dumped.state["indexes"]["st2.key_value_pair_d_b"]) == (
        before["databases"],
        ["uid_1"],
    )


def test_a_database_that_holds_it_already_is_left_alone(dumped: MongoHost) -> None:
    dumped.remove("mongorestore")
    assert "mongorestore cannot be run" in dumped.bad("restore", NAME)
    dumped.install(
        "mongorestore",
        '#!/bin/sh\ncase $1 in --version) echo "mongorestore version: 4.0.28" ;; --help) echo --archive ;; *) exit 9 ;; esac\n',
    )
    assert "nothing is done" in dumped.good("restore", NAME)


def test_a_database_that_was_wiped_comes_back(dumped: MongoHost) -> None:
    before = dumped.documents
    dumped.becomes(databases={"other": {"theirs": {"z": {"_id": "z"}}}})
    dumped.good("restore", NAME)
    assert dumped.documents == before


def test_a_database_that_has_another_name_by_now_takes_what_was_dumped(dumped: MongoHost) -> None:
    before = dumped.documents
    dumped.conf.write_text(CONF.replace("db_name = st2", "db_name = st2b") + "")
    dumped.becomes(login=["stackstorm", WORD, "st2b"])
    dumped.good("restore", NAME)
    assert dumped.state["databases"]["st2b"] == before and dumped.documents == before


def test_a_name_that_is_none_of_a_backup_is_refused(dumped: MongoHost) -> None:
    for name in ("../x", "r1", "/etc/st2", "r1/2.2.1/.."):
        assert "is no name of a backup" in dumped.bad("restore", name)
    assert "cannot be read" in dumped.bad("same", "r1/1.6.0")
