"""The datastore of the stand-in: the key model of the releases, its limits, and the client's flaws."""

import json

import pytest

from lab.fleet import Fleet
from tests.lab.ground import Ground
from tests.lab.standin import BIN, CONFIG, KEEP, apt_upgrade, parsed, said, script_log, shell, stored, tried

pytestmark = pytest.mark.lab

API = "http://127.0.0.1:9101/v1/keys"


@pytest.fixture(scope="module", autouse=True)
def _pair(ground: Ground) -> None:
    """Keys come and go on the pair's hosts."""
    ground.fresh("pair")


def test_user_keys_have_a_bare_name_and_their_user(fleet: Fleet) -> None:
    """`key list` shows the system scope unless told otherwise, and the current user's keys in the scope user."""
    system = parsed(fleet, "apt2", "st2", "key", "list", "-j")
    assert {item["scope"] for item in system} == {"system"}
    mine = parsed(fleet, "apt2", "st2", "key", "list", "-s", "user", "-j")
    assert {(item["scope"], item["user"]) for item in mine} == {("user", "stanley")}
    alice = parsed(fleet, "yum2", "st2", "key", "list", "-s", "user", "-u", "alice", "--decrypt", "-j")
    token = next(item for item in alice if item["name"] == "token")
    assert (token["value"], token["secret"], token["encrypted"]) == ("token of alice", True, False)
    # As they are stored the user stands before the name.
    assert "alice:token" in {item["name"] for item in stored(fleet, "apt2")}


def test_secrets_are_shown_as_ciphertext_unless_decrypted(fleet: Fleet) -> None:
    """Both hosts of a deployment have the same crypto key."""
    hidden = parsed(fleet, "apt2", "st2", "key", "get", "smtp.password", "-j")
    shown = parsed(fleet, "yum2", "st2", "key", "get", "smtp.password", "-d", "-j")
    assert (hidden["encrypted"], shown["encrypted"], shown["value"]) == (True, False, "hunter2 & more")
    assert set(hidden["value"]) <= set("0123456789ABCDEF")


def test_2_0_knows_the_old_scope_names_only(fleet: Fleet) -> None:
    """400 for st2kv.system, which is exit code 1."""
    told = tried(fleet, "apt2", "st2", "key", "list", "-s", "st2kv.system")
    assert (told.returncode, "400 Client Error" in told.stderr) == (1, True)


def test_up_to_2_2_a_listing_has_no_limit(fleet: Fleet) -> None:
    """The silent limit of 100 came with 2.3; limit and offset are honoured when they are asked for."""
    put = """curl -sf -o /dev/null -XPUT -H 'Content-Type: application/json' -d '{"name": "n", "value": "v"}' """
    shell(fleet, "apt2", f"for n in $(seq 120); do {put} {API}/bulk.$n; done")
    assert len(parsed(fleet, "apt2", "st2", "key", "list", "--prefix", "bulk.", "-j")) == 120
    assert len(parsed(fleet, "apt2", "curl", "-s", f"{API}?prefix=bulk.&limit=7&offset=116")) == 4
    assert said(fleet, "apt2", "st2", "key", "delete_by_prefix", "-p", "bulk.").startswith("Deleted 120 keys")


def test_keys_can_be_counted_from_st2_s_own_python(fleet: Fleet) -> None:
    """st2common.config, service_setup and the models, as a program in st2's virtualenv uses them."""
    program = (
        "from st2common import config; config.parse_args(args=['--config-file', '/etc/st2/st2.conf'])\n"
        "from st2common.service_setup import db_setup, db_teardown\n"
        "from st2common.models.db.keyvalue import KeyValuePairDB as K\n"
        "db_setup(); print(K.objects(scope__in=['system', 'user']).count(), K.objects(scope__exists=False).count(),"
        " len([k for k in K.objects(secret=True)])); db_teardown()"
    )
    counted = said(fleet, "yum2", "/opt/stackstorm/st2/bin/python", "-c", program).split()
    keys = stored(fleet, "yum2")
    assert [int(number) for number in counted] == [len(keys), 0, sum(item["secret"] for item in keys)]


def test_key_load_drops_scope_secret_and_user(fleet: Fleet) -> None:
    """Up to 2.5 `st2 key load` looks at name and value only."""
    items = [{"name": "loaded", "value": "v", "scope": "user", "user": "alice", "secret": True}]
    fleet.execute("apt2", "tee", "/tmp/keys.json", stdin=json.dumps(items))
    fleet.execute("apt2", "st2", "key", "load", "/tmp/keys.json")
    [found] = [item for item in stored(fleet, "apt2") if item["name"].endswith("loaded")]
    assert (found["name"], found["scope"], found["secret"], found["value"]) == ("loaded", "system", False, "v")
    fleet.execute("apt2", "tee", "/tmp/keys.json", stdin='[{"name": "loaded", "value": 7}]')
    assert tried(fleet, "apt2", "st2", "key", "load", "/tmp/keys.json").returncode == 1
    fleet.execute("apt2", "st2", "key", "delete", "loaded")


def test_a_key_with_a_ttl_goes_away(fleet: Fleet) -> None:
    """MongoDB removes expired keys by itself."""
    fleet.execute("apt2", "st2", "key", "set", "-l", "1", "short", "v")
    assert "expire_timestamp" in parsed(fleet, "apt2", "st2", "key", "get", "short", "-j")
    shell(fleet, "apt2", "sleep 1.2")
    assert tried(fleet, "apt2", "st2", "key", "get", "short").returncode == 2


@pytest.fixture(scope="module")
def old(ground: Ground) -> Fleet:
    """apt1 alone at 1.4.0."""
    return ground.fresh("apt1", release="1.4.0")


def test_1_4_has_neither_scope_nor_secret(old: Fleet) -> None:
    """The model of 1.4 is name, value and expiry; the client has no flag for the rest."""
    assert all(set(item) == {"id", "uid", "name", "value"} for item in stored(old, "apt1"))
    assert all(set(item) == {"name", "value"} for item in parsed(old, "apt1", "st2", "key", "list", "-j"))
    assert tried(old, "apt1", "st2", "key", "list", "-s", "system").returncode == 2
    assert (
        said(old, "apt1", "st2", "key", "get", "region", "-j")
        == '{\n    "name": "region",\n    "value": "eu-central-1"\n}'
    )


def test_st2ctl_of_1_4_does_not_know_chatops(old: Fleet) -> None:
    """COMPONENTS of st2common/bin/st2ctl@v1.4.0."""
    assert "st2chatops" not in said(old, "apt1", "st2ctl", "status")
    old.execute("apt1", "st2ctl", "stop")
    assert said(old, "apt1", "systemctl", "is-active", "st2chatops") == "active"
    assert not [name for name in said(old, "apt1", "ls", BIN).split() if "migrate" in name]


def test_keys_of_1_4_are_lost_to_2_2_until_they_are_migrated_and_found_again_then(old: Fleet) -> None:
    """A document without a scope is in no scope; the 1.5 script of 2.2.1 writes st2kv.system, and may run again."""
    names = {item["name"] for item in stored(old, "apt1")}
    old.execute("apt1", "systemctl", "stop", "st2chatops", "mistral-api", "mistral-server")
    assert apt_upgrade(old, "apt1", "2.2.1", *KEEP).returncode == 0
    old.execute("apt1", "systemctl", "restart", "st2api")
    shell(old, "apt1", f"until curl -s {API} >/dev/null; do sleep 0.1; done")
    assert parsed(old, "apt1", "st2", "key", "list", "-j") == []
    for _ in range(2):
        told = old.execute("apt1", f"{BIN}/st2-migrate-datastore-to-include-scope-secret.py", *CONFIG)
        assert told.stdout == "SUCCESS: Datastore items migrated successfully.\n"
    assert {item["name"] for item in parsed(old, "apt1", "st2", "key", "list", "-j")} == names
    assert {(item["scope"], item["secret"]) for item in stored(old, "apt1")} == {("st2kv.system", False)}
    ran = [entry for entry in script_log(old, "apt1") if "scope-secret" in entry["script"]]
    assert [entry["outcome"] for entry in ran] == ["started", "succeeded"] * 2
