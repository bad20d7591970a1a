"""Keys and API keys of the stand-in, as a move to another instance meets them: raw documents, models, limits, slashes.

Facts: tags of StackStorm/st2 (st2common/models, st2api/controllers/v1, st2client/commands) and its issue 4789.
"""

import hashlib
import json
from typing import Any
from urllib.parse import quote

import pytest

from lab.fleet import Fleet
from lab.topology import deployment
from tests.lab.ground import Ground
from tests.lab.standin import BIN, CONFIG, parsed, said, shell, stored, tried

pytestmark = pytest.mark.lab

HOST = "apt1"
API = "http://127.0.0.1:9101/v1"
CANARY = "canary-7f3e"
# What a program in st2's virtualenv begins with, of whatever release.
SET_UP = """
import json, sys
from datetime import datetime
from urllib.parse import quote
from bson.objectid import ObjectId
from pymongo import MongoClient
from st2common import config
from st2common.service_setup import db_setup, db_teardown
from st2common.persistence.keyvalue import KeyValuePair
from st2common.models.api.keyvalue import KeyValuePairAPI
from st2common.util import crypto
config.parse_args(args=["--config-file", "/etc/st2/st2.conf"]); db_setup()
db = MongoClient("mongodb://st2:%s@127.0.0.1:5432/?authSource=st2" % quote({word!r}, safe=""))["st2"]
path = "/etc/st2/keys/datastore_key.json"
def tell(what):
    print(json.dumps(what, default=repr))
"""


@pytest.fixture(scope="module", params=["1.4.0", "2.0.1", "3.2.0"])
def filled(request: pytest.FixtureRequest, ground: Ground) -> tuple[Fleet, str, dict[str, int]]:
    """apt1 at a release with 10,000 keys: the fleet, the release, and what `lab-store fill` said."""
    release = str(request.param)
    fleet = ground.fresh(HOST, release=release)
    told = parsed(fleet, HOST, f"{BIN}/lab-store", "fill", "10000", CANARY)
    return fleet, release, told


Filled = tuple[Fleet, str, dict[str, int]]


def number(release: str) -> tuple[int, ...]:
    return tuple(int(part) for part in release.split("."))


def python(fleet: Fleet, program: str) -> Any:
    """What PROGRAM tells."""
    begin = SET_UP.replace("{word!r}", repr(deployment(HOST).st2_password))
    return json.loads(said(fleet, HOST, f"{BIN}/python", "-c", begin + program))


def asked(fleet: Fleet, method: str, path: str, body: object = None, *headers: str) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of an answer of the API; PATH goes as it stands."""
    data = ("--data-binary", "@-", "-H", "Content-Type: application/json") if body is not None else ()
    words = [word for header in headers for word in ("-H", header)]
    answer = fleet.execute(
        HOST, "curl", "-s", "-i", "--path-as-is", "-X", method, *data, *words, API + path,
        stdin=None if body is None else json.dumps(body),
    ).stdout  # fmt: skip
    head, _, text = answer.replace("\r\n", "\n").partition("\n\n")
    lines = head.splitlines()
    told = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines[1:])}
    return int(lines[0].split()[1]), told, json.loads(text) if text.strip() else None


def keys_of(fleet: Fleet) -> list[dict[str, Any]]:
    return [item for item in stored(fleet, HOST) if item.get("kind") != "apikey"]


def apikeys_of(fleet: Fleet) -> list[dict[str, Any]]:
    return [item for item in stored(fleet, HOST) if item.get("kind") == "apikey"]


# --- what `lab-store fill` makes, and raw documents -------------------------------------------------------------


def test_fill_says_how_many_there_are_of_each_kind(filled: Filled) -> None:
    """A second time nothing is added."""
    fleet, release, told = filled
    scoped = number(release) >= (1, 5)
    assert told["system"] + told["user"] == 10_000 and told["apikeys"] == 12
    assert (told["user"] > 0, told["secret"] > 3000) == (scoped, scoped)
    keys, apikeys = keys_of(fleet), apikeys_of(fleet)
    assert len([item for item in keys if "expire_timestamp" in item]) == told["expiring"] == 909
    assert len([item for item in keys if "/" in item["name"]]) == told["slashes"] == 526
    ours = [item for item in keys if CANARY in item["value"] or item.get("secret")]
    assert len(ours) > 9_800
    assert len({item["name"].partition(":")[0] for item in keys if item.get("scope", "").endswith("user")}) in (0, 53)
    assert sum(len(item["value"]) >= 1 << 20 for item in keys) == 3
    assert len(apikeys) == 12 and sum(not item["enabled"] for item in apikeys) == 3
    assert parsed(fleet, HOST, f"{BIN}/lab-store", "fill", "10000", CANARY) == told
    assert len(stored(fleet, HOST)) == len(keys) + len(apikeys)


def test_pymongo_gives_documents_as_mongodb_holds_them(filled: Filled) -> None:
    """Dates are naive and of UTC, a user's key is USER:NAME, an API key's time is a number of microseconds."""
    fleet, release, told = filled
    found = python(
        fleet,
        "keys = list(db['key_value_pair_d_b'].find()); apikeys = list(db.api_key_d_b.find())\n"
        "ends = [k['expire_timestamp'] for k in keys if 'expire_timestamp' in k]\n"
        "tell({'n': len(keys), 'fields': sorted({name for k in keys for name in k}),"
        " 'ids': all(isinstance(k['_id'], ObjectId) for k in keys + apikeys),"
        " 'ends': [len(ends), all(type(e) is datetime and e.tzinfo is None for e in ends)], 'apikeys': apikeys,"
        " 'names': sorted(k['name'] for k in keys), 'none': list(db['no_such_d_b'].find())})",
    )
    keys = keys_of(fleet)
    scoped = {"scope", "secret"} if number(release) >= (1, 5) else set()
    assert set(found["fields"]) == {"_id", "name", "value", "uid", "expire_timestamp"} | scoped
    assert (found["n"], found["ids"], found["ends"], found["none"]) == (len(keys), True, [told["expiring"], True], [])
    assert found["names"] == sorted(item["name"] for item in keys)
    apikey = found["apikeys"][0]
    assert set(apikey) == {"_id", "uid", "user", "key_hash", "metadata", "created_at", "enabled"}
    assert isinstance(apikey["created_at"], int)
    owner = apikey["metadata"]["owner"]
    assert set(owner) == {"team\uff0ename", "cost\uff04centre"}
    assert owner["cost\uff04centre"][1] == {"a\uff0eb": True}


# --- crypto and models ------------------------------------------------------------------------------------------


def test_secrets_are_opened_with_the_library_of_the_release(filled: Filled) -> None:
    """keyczar's AesKey up to 2.9, st2common.util.crypto.read_crypto_key from 2.10 on; 3.x encrypts to bytes."""
    fleet, release, _ = filled
    own = number(release) >= (2, 10)
    read = "crypto.read_crypto_key(path)" if own else "__import__('keyczar.keys').keys.AesKey.Read(open(path).read())"
    found = python(
        fleet,
        f"key = {read}; text = crypto.symmetric_encrypt(key, 'ü'); import importlib.util as u\n"
        "secrets = [crypto.symmetric_decrypt(key, k['value']) for k in db.key_value_pair_d_b.find() if k.get('secret')]\n"
        "tell([type(text).__name__, crypto.symmetric_decrypt(key, text), hasattr(crypto, 'read_crypto_key'),"
        " u.find_spec('keyczar') is not None, sum('" + CANARY + "' in s for s in secrets)])",
    )
    many = found.pop()
    assert (many > 3000) == (number(release) >= (1, 5))
    assert found == ["bytes" if number(release) >= (3, 0) else "str", "ü", own, not own]


def test_a_model_of_the_api_becomes_a_document_and_a_twin_is_replaced(filled: Filled) -> None:
    """KeyValuePairAPI.to_model; add_or_update replaces the document whose id it is given, and makes one otherwise."""
    fleet, release, _ = filled
    scoped = number(release) >= (1, 5)
    given: dict[str, object] = {"name": "alice:a/b", "value": "one", "ttl": 3600}
    given |= {"scope": "st2kv.user" if number(release) >= (2, 1) else "user", "secret": True} if scoped else {}
    found = python(
        fleet,
        f"given = {given!r}; where = dict((n, given[n]) for n in ('name', 'scope') if n in given)\n"
        "KeyValuePair.add_or_update(KeyValuePairAPI.to_model(KeyValuePairAPI(**given)))\n"
        "model = KeyValuePairAPI.to_model(KeyValuePairAPI(**dict(given, value='two')))\n"
        "model.id = list(KeyValuePair.query(**where))[0].id; KeyValuePair.add_or_update(model)\n"
        "tell([k['value'] for k in db.key_value_pair_d_b.find() if k['name'] == 'alice:a/b'])",
    )
    [value] = found
    assert set(value) <= set("0123456789ABCDEF") if scoped else value == "two"
    [item] = [item for item in keys_of(fleet) if item["name"] == "alice:a/b"]
    assert "expire_timestamp" in item and (item.get("scope"), item.get("secret")) == (
        given.get("scope"), given.get("secret"),
    )  # fmt: skip


def test_the_scope_of_a_model_is_the_system_s_by_its_name_in_the_release(filled: Filled) -> None:
    fleet, release, _ = filled
    found = python(fleet, "tell(vars(KeyValuePairAPI.to_model(KeyValuePairAPI(name='n', value='v'))))")
    expected = {"scope": "st2kv.system" if number(release) >= (2, 1) else "system", "secret": False}
    assert {name: found[name] for name in found.keys() & expected.keys()} == (
        expected if number(release) >= (1, 5) else {}
    )


# --- /v1/keys ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["a/b", "a%2Fb", "%2Fa", "a%2F", "a%252Fb/c"])
def test_a_name_with_a_slash_is_found_nowhere(filled: Filled, name: str) -> None:
    """StackStorm/st2 issue 4789."""
    fleet, _, _ = filled
    for method, body in (("PUT", {"name": "n", "value": "v"}), ("GET", None), ("DELETE", None)):
        status, _, said_ = asked(fleet, method, f"/keys/{name}", body)
        assert (status, said_["faultstring"]) == (404, "The resource could not be found.")


@pytest.mark.parametrize(
    "name", ["a b", "50%", "per%2Fcent", "ü 運用", "a:b:c", "what?", "a#b", "a+b", "'\"\\", "..", "&=;"]
)
def test_any_other_name_is_taken_when_it_is_encoded(filled: Filled, name: str) -> None:
    fleet, _, _ = filled
    path = f"/keys/{quote(name, safe='')}"
    assert asked(fleet, "PUT", path, {"name": name, "value": name})[0] == 200
    assert asked(fleet, "GET", path)[2]["value"] == name
    assert [item["value"] for item in keys_of(fleet) if item["name"] == name] == [name]
    assert asked(fleet, "DELETE", path)[0] == 204


def test_keys_of_others_are_refused_from_2_10_1_on(filled: Filled) -> None:
    """CVE-2018-20345: RBAC is off here, and nobody is an administrator without it."""
    fleet, release, _ = filled
    body = {"name": "theirs", "value": "v", "scope": "user", "user": "somebody"}
    expected = 403 if number(release) >= (2, 10, 1) else 200 if number(release) >= (1, 5) else 400
    assert asked(fleet, "PUT", "/keys/theirs", body)[0] == expected
    if expected != 400:  # 1.4 knows no users
        assert asked(fleet, "GET", "/keys/theirs?scope=user&user=somebody")[0] == expected
        assert asked(fleet, "PUT", "/keys/theirs", {**body, "user": "stanley"})[0] == 200


def test_a_body_with_a_field_that_the_release_does_not_know_is_refused(filled: Filled) -> None:
    """additionalProperties of the schema."""
    fleet, release, _ = filled
    assert asked(fleet, "PUT", "/keys/odd", {"value": "v", "colour": "red"})[0] == 400
    status, _, _ = asked(fleet, "PUT", "/keys/odd", {"value": "v", "secret": True})
    assert status == (200 if number(release) >= (1, 5) else 400)
    asked(fleet, "DELETE", "/keys/odd")


def test_limits_of_a_listing(filled: Filled) -> None:
    """None up to 2.2 and no header; 100 from 2.4 on, and -1 for all of them from 2.6 on."""
    fleet, release, _ = filled
    system = [item for item in keys_of(fleet) if not item.get("scope", "").endswith("user")]
    status, headers, found = asked(fleet, "GET", "/keys")
    if number(release) < (2, 3):
        assert (status, len(found), "x-total-count" in headers) == (200, len(system), False)
        assert len(asked(fleet, "GET", "/keys?limit=7&offset=3")[2]) == 7
        return
    assert (len(found), headers["x-limit"], headers["x-total-count"]) == (100, "100", str(len(system)))
    status, headers, found = asked(fleet, "GET", f"/keys?limit=100&offset={len(system) - 40}")
    assert (len(found), headers["x-total-count"]) == (40, str(len(system)))
    assert asked(fleet, "GET", "/keys?limit=101")[0] == 400
    assert len(asked(fleet, "GET", "/keys?limit=-1")[2]) == len(system)
    scopes = {(item["scope"], item.get("user")) for item in asked(fleet, "GET", "/keys?scope=all&limit=-1")[2]}
    assert scopes == {("st2kv.system", None), ("st2kv.user", "stanley")}


# --- /v1/apikeys ------------------------------------------------------------------------------------------------


def test_api_keys_over_http(filled: Filled) -> None:
    """A hash that came with the request is kept; the key of one that did not is told once."""
    fleet, release, _ = filled
    status, headers, found = asked(fleet, "GET", "/apikeys")
    assert (status, len(found), {item["key_hash"] for item in found}) == (200, 12, {"********"})
    assert ("x-total-count" in headers) == (number(release) >= (2, 3))
    shown = asked(fleet, "GET", "/apikeys?show_secrets=true&limit=100")[2]
    assert {item["key_hash"] for item in shown} == {item["key_hash"] for item in apikeys_of(fleet)}
    assert shown[0]["metadata"]["owner"].keys() == {"team.name", "cost$centre"}
    body = {"user": "alice", "key_hash": "ab" * 64, "metadata": {"x.y": {"$z": 1}}, "enabled": False}
    status, _, made = asked(fleet, "POST", "/apikeys", body)
    assert (status, made["key"], made["user"], made["enabled"], "key_hash" in made) == (
        201,
        None,
        "alice",
        False,
        False,
    )
    [item] = [item for item in apikeys_of(fleet) if item["id"] == made["id"]]
    assert item["metadata"] == {"x\uff0ey": {"\uff04z": 1}}
    status, _, told = asked(fleet, "POST", "/apikeys", body)
    assert (status, "duplicate" in told["faultstring"]) == (409, True)
    assert asked(fleet, "PUT", f"/apikeys/{made['id']}", {**body, "enabled": True})[2]["enabled"] is True
    assert asked(fleet, "PUT", f"/apikeys/{made['id']}", {**body, "key_hash": "cd" * 64})[0] == 400
    assert asked(fleet, "GET", f"/apikeys/{made['id']}")[2]["metadata"] == body["metadata"]
    assert asked(fleet, "DELETE", f"/apikeys/{made['id']}")[0] == 204
    assert asked(fleet, "GET", f"/apikeys/{made['id']}")[0] == 404
    status, _, new = asked(fleet, "POST", "/apikeys", {})
    [item] = [item for item in apikeys_of(fleet) if item["id"] == new["id"]]
    assert (status, item["user"]) == (201, "stanley")
    assert item["key_hash"] == hashlib.sha512(new["key"].encode()).hexdigest()
    asked(fleet, "DELETE", f"/apikeys/{new['id']}")


def test_an_enabled_api_key_is_let_in_and_its_user_asks(filled: Filled) -> None:
    fleet, release, _ = filled
    shell(fleet, HOST, "sed -i '/^\\[auth\\]/,/^\\[/s/^enable = .*/enable = True/' /etc/st2/st2.conf")
    shell(fleet, HOST, f"systemctl restart st2api; until curl -s {API} >/dev/null; do sleep 0.1; done")
    try:
        assert asked(fleet, "GET", "/keys?limit=1")[0] == 401
        assert asked(fleet, "GET", "/keys?limit=1", None, "St2-Api-Key: lab-api-key-0")[0] == 200
        assert asked(fleet, "GET", "/keys?limit=1", None, "St2-Api-Key: lab-api-key-3")[0] == 401, "it is disabled"
        assert asked(fleet, "GET", "/apikeys", None, "St2-Api-Key: nobody")[0] == 401
        if number(release) >= (1, 5):
            found = asked(fleet, "GET", "/keys?scope=user&limit=9", None, "St2-Api-Key: lab-api-key-1")[2]
            assert {item["user"] for item in found} == {"maria@example.com"}
        listed = parsed(fleet, HOST, "env", "ST2_API_KEY=lab-api-key-0", "st2", "key", "list", "-j")
        assert listed
    finally:
        shell(fleet, HOST, "sed -i '/^\\[auth\\]/,/^\\[/s/^enable = .*/enable = False/' /etc/st2/st2.conf")
        shell(fleet, HOST, f"systemctl restart st2api; until curl -s {API} >/dev/null; do sleep 0.1; done")


# --- the client -------------------------------------------------------------------------------------------------


def test_the_client_lists_and_loads_api_keys(filled: Filled) -> None:
    """An entry without `enabled` becomes a disabled key."""
    fleet, _, _ = filled
    shown = parsed(fleet, HOST, "st2", "apikey", "list", "-dj", "--show-secrets")
    assert {item["key_hash"] for item in shown} == {item["key_hash"] for item in apikeys_of(fleet)}
    assert {item["key_hash"] for item in parsed(fleet, HOST, "st2", "apikey", "list", "-dj")} == {"********"}
    assert set(parsed(fleet, HOST, "st2", "apikey", "list", "-j")[0]) == {"id", "user", "metadata"}
    fleet.execute(HOST, "tee", "/tmp/apikeys.json", stdin=json.dumps([{"user": "bob", "key_hash": "ef" * 64}]))
    fleet.execute(HOST, "st2", "apikey", "load", "/tmp/apikeys.json")
    [item] = [item for item in apikeys_of(fleet) if item["key_hash"] == "ef" * 64]
    assert (item["user"], item["enabled"]) == ("bob", False)
    again = tried(fleet, HOST, "st2", "apikey", "load", "/tmp/apikeys.json")
    assert (again.returncode, "409 Client Error" in again.stderr) == (1, True)
    fleet.execute(HOST, "st2", "apikey", "delete", item["id"])


def test_the_client_s_limits_are_those_of_the_release(filled: Filled) -> None:
    """-n from 2.4 with 50, -1 from 2.6; `all` is the scope from 2.9 on; 1.4 has no scope and lists everything."""
    fleet, release, _ = filled
    count = len(parsed(fleet, HOST, "st2", "key", "list", "-j"))
    if number(release) < (2, 4):
        assert count > 4000
        assert tried(fleet, HOST, "st2", "key", "list", "-n", "5").returncode == 2
        return
    assert count == 50
    assert len(parsed(fleet, HOST, "st2", "key", "list", "-n", "100", "-j")) == 100
    assert tried(fleet, HOST, "st2", "key", "list", "-n", "101", "-j").returncode == 1
    found = parsed(fleet, HOST, "st2", "key", "list", "-n", "-1", "--decrypt", "-j")
    assert {(item["scope"], item.get("user")) for item in found} == {("st2kv.system", None), ("st2kv.user", "stanley")}
    opened = [item["value"] for item in found if item["secret"] and item["name"].startswith("service")]
    assert opened and all(CANARY in value for value in opened if value)


def test_what_key_load_takes_from_a_file(filled: Filled) -> None:
    """Name and value up to 2.5; then scope, user, secret, ttl and other kinds with -c; ciphertext as it is from 3.0 on."""
    fleet, release, _ = filled
    if number(release) < (2, 6):
        assert tried(fleet, HOST, "st2", "key", "load", "-c", "/tmp/x.json").returncode == 2
        return
    cipher = next(item["value"] for item in keys_of(fleet) if item["secret"])
    items = [
        {"name": "one", "value": "v", "scope": "st2kv.user", "user": "stanley", "secret": True, "ttl": 3600},
        {"name": "two", "value": cipher, "encrypted": True, "secret": True},
        {"name": "three", "value": [1, 2]},
    ]
    fleet.execute(HOST, "tee", "/tmp/keys.json", stdin=json.dumps(items))
    assert tried(fleet, HOST, "st2", "key", "load", "/tmp/keys.json").returncode == 1, "a list is no string"
    fleet.execute(HOST, "st2", "key", "load", "-c", "/tmp/keys.json")
    found = {item["name"]: item for item in keys_of(fleet)}
    one = found["stanley:one"]
    assert (one["scope"], one["secret"], "expire_timestamp" in one) == ("st2kv.user", True, True)
    assert (found["two"]["value"] == cipher, found["two"]["secret"]) == (number(release) >= (3, 0), True)
    assert (found["three"]["value"], found["three"]["scope"]) == ("[1, 2]", "st2kv.system")
    if number(release) >= (3, 0):
        fleet.execute(HOST, "tee", "/tmp/bad.yaml", stdin="{name: bad, value: 00AB, encrypted: true, secret: true}")
        told = tried(fleet, HOST, "st2", "key", "load", "/tmp/bad.yaml")
        assert (told.returncode, "Failed to verify the integrity" in told.stderr) == (1, True)


def test_a_dump_takes_api_keys_along_and_a_restore_brings_them_back(filled: Filled) -> None:
    """Every document, whatever its size."""
    fleet, _, _ = filled
    word = deployment(HOST).st2_password
    login = (
        "--host=127.0.0.1:5432",
        "--username=st2",
        "--authenticationDatabase=st2",
        "--archive=/root/content.archive",
    )
    before = stored(fleet, HOST)
    dumped = tried(fleet, HOST, "mongodump", *login, "--db=st2", stdin=f"{word}\n")
    assert dumped.returncode == 0, dumped.stderr
    sql = "drop table key_value_pair_d_b, api_key_d_b, content_d_b, action_execution_d_b"
    shell(fleet, HOST, f"su postgres -c 'psql -XAtqd st2 -c \"{sql}\"'")
    restored = tried(fleet, HOST, "mongorestore", *login, "--stopOnError", stdin=f"{word}\n")
    assert restored.returncode == 0, restored.stderr
    assert stored(fleet, HOST) == before


@pytest.mark.parametrize("script", ["st2-migrate-datastore-scopes.py"])
def test_migrations_still_take_every_key(filled: Filled, script: str) -> None:
    """A date and a ciphertext go through as they are."""
    fleet, release, _ = filled
    if not (2, 1) <= number(release) < (3, 1):
        return
    before = stored(fleet, HOST)
    fleet.execute(HOST, f"{BIN}/{script}", *CONFIG)
    assert stored(fleet, HOST) == before
