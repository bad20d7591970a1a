"""Write keys and API keys into st2, from lines of JSON on standard input, so that no value is in an argument or on a disk.

Through the API of this host, as far as it can be asked: no release has a way to a name with a slash (StackStorm/st2 issue 4789),
those up to 2.2 none to one that is not ASCII, those on Python 3 none to one outside latin-1; and from 2.9.2 on nobody may write
keys of others where RBAC is off (CVE-2018-20345). Such keys go through st2's own models, in this process. Each line may be
written twice with the same end.
"""

import json
import sys
import time

from content_read import crypto_key_path, release
from st2_api import NOT_LET_IN, Api, Refused, Silence
from store_server import CONF, Wrong

try:
    from urllib.parse import quote
except ImportError:
    from urllib import quote

READY = "@stormlift-ready"
APPLIED = "@stormlift-applied "
TAKEN_OVER = 77
LOOK_EVERY_S = 1.0  # at the lock: whoever lost it writes no more
MOST_FAILURES = 20
MOST_LINE = 128 << 20
_OTHERS = "when RBAC is enabled"
WRITE_SECONDS = 60
PAGE = 100  # the most that the API gives at a time
NOTHING = "/v1/keys?prefix=stormlift-looks-for-none"  # 1.4 knows no other parameter
# The API may quote a value in what it says; these words of its own never hold one.
_TELLING = ("Crypto key not found", "Unable to encrypt", "is not in allowed scopes", "The resource could not be found",
            "doesn't have required", "Access denied", "not an administrator", "Unauthorized", "Internal Server Error")  # fmt: skip


class TakenOver(Exception):
    """Somebody else holds the lock."""


class Lock(object):
    """Whether the lock is still that of who held it at first, looked at once a second."""

    def __init__(self, path):
        self._path, self._last = path, 0.0
        self._token = self._found()

    def _found(self):
        try:
            with open(self._path) as opened:
                return opened.read().strip()
        except EnvironmentError:
            return ""

    def held(self):
        if 0 <= time.time() - self._last < LOOK_EVERY_S:  # a clock may be set back
            return
        self._last = time.time()
        if not self._token or self._found() != self._token:
            raise TakenOver("another controller took over")


def why(error):
    """What may be said of a refusal: nothing that could be a value."""
    telling = next((words for words in _TELLING if words in error.words), "")
    return "the API answers %d%s" % (error.status, ": " + telling if telling else "")


# --- keys ----------------------------------------------------------------------------------------------------


class Keys(object):
    """Writes keys, and remembers whether the API lets us write those of others."""

    def __init__(self, api):
        self._api, self._others, self._set_up = api, True, False

    def write(self, item):
        if not addressable(item["name"] + (item.get("user") or "")) or (item.get("user") and not self._others):
            self.through_models(item)
            return
        body = dict((name, item[name]) for name in ("name", "value", "scope", "user", "secret", "ttl") if item.get(name))
        body["value"] = item["value"]  # an empty one counts
        try:
            self._api.ask("PUT", "/v1/keys/" + quote(item["name"], safe=""), body)
        except Refused as error:
            if error.status != 403 or not item.get("user") or _OTHERS not in error.words:
                raise
            self._others = False
            self.through_models(item)

    def through_models(self, item):
        """Write a key as the API would, without a path of a URL; no trigger is sent for it."""
        self._ready()
        from st2common.models.api.keyvalue import KeyValuePairAPI
        from st2common.persistence.keyvalue import KeyValuePair

        name = "%s:%s" % (item["user"], item["name"]) if item.get("user") else item["name"]
        given = {"name": name, "value": item["value"]}
        given.update((each, item[each]) for each in ("scope", "secret", "ttl") if item.get(each))
        made = KeyValuePairAPI.to_model(KeyValuePairAPI(**given))
        where = {"name": name, "scope": item["scope"]} if item.get("scope") else {"name": name}
        for there in list(KeyValuePair.query(**where))[:1]:
            made.id = there.id
        KeyValuePair.add_or_update(made, dispatch_trigger=False)

    def _ready(self):
        if self._set_up:
            return
        from st2common import config
        from st2common.service_setup import db_setup

        config.parse_args(args=["--config-file", CONF])
        try:
            db_setup(ensure_indexes=False)
        except TypeError:  # releases before 2.2 do not know the parameter
            db_setup()
        self._set_up = True


def addressable(name):
    """Whether the API of every release finds a key of this NAME; it locks by the user's as well."""
    return all(" " <= each < "\x7f" for each in name) and "/" not in name and name.strip(".") != ""


# --- API keys ------------------------------------------------------------------------------------------------


class ApiKeys(object):
    """Writes API keys by their digests: whoever holds the key itself goes on using it."""

    def __init__(self, api):
        self._api = api

    def write(self, item):
        body = dict((name, item[name]) for name in ("user", "key_hash", "metadata", "enabled"))
        try:
            self._api.ask("POST", "/v1/apikeys", body)
        except Refused as error:
            if error.status != 409:
                raise
            if item.get("replace"):
                self._replace(body)

    def _replace(self, body):
        for there in listed(self._api, "/v1/apikeys?show_secrets=true"):
            if there.get("key_hash") == body["key_hash"]:
                self._api.ask("PUT", "/v1/apikeys/" + there["id"], dict(body, id=there["id"]))
                return


def listed(api, path):
    """All that the API lists at PATH, however little it gives at a time; releases that know no pages give all at once."""
    seen = {}
    while True:
        _, page = api.ask("GET", "%s&limit=%d&offset=%d" % (path, PAGE, len(seen)))
        fresh = [each for each in page if each["id"] not in seen]
        seen.update((each["id"], each) for each in fresh)
        if len(page) != PAGE or not fresh:
            return list(seen.values())


# --- what is asked for -----------------------------------------------------------------------------------------

KINDS = {"key": Keys, "apikey": ApiKeys}


def look():
    """What of this host matters to whoever wants to write here, as JSON on the last line."""
    found = {"release": release(), "answers": False, "let_in": False, "why": "", "crypto_key": ""}
    try:
        api = Api()
        found["let_in"] = api.let_in(NOTHING)
        found["answers"] = True
    except (Refused, Silence) as error:
        found["why"] = str(error)
    try:
        with open(crypto_key_path()) as opened:
            json.load(opened)
    except (EnvironmentError, ValueError) as error:
        found["crypto_key"] = "%s: %s" % (crypto_key_path(), getattr(error, "strerror", None) or "is no JSON")
    print(json.dumps(found, sort_keys=True))


def apply(lock):
    """Write what comes; what one item meets is told in the end and keeps no other from being written."""
    api, holder = Api(seconds=WRITE_SECONDS), Lock(lock)
    if not api.let_in(NOTHING):
        raise Wrong("st2's API on this host wants credentials, and has let in none of those that were given")
    writers = dict((kind, made(api)) for kind, made in KINDS.items())
    say(READY)
    begun = time.time()
    written, failures, told, whole = {}, 0, [], False
    for item in items(getattr(sys.stdin, "buffer", sys.stdin)):
        holder.held()
        kind = item["kind"]
        if kind == "end":
            whole = item["records"] == sum(written.values()) + failures
            break
        if item.get("ttl"):  # what was left when this began; what is sent may wait for minutes in the channel
            item["ttl"] -= int(max(0, time.time() - begun))
            if item["ttl"] <= 0:
                written["expired"] = written.get("expired", 0) + 1
                continue
        try:
            writers[kind].write(item)
            written[kind] = written.get(kind, 0) + 1
        except Refused as error:
            if error.status in NOT_LET_IN and not written:
                raise Wrong(why(error))
            failures += 1
            told += [failure(item, why(error))] if len(told) < MOST_FAILURES else []
        except (Silence, Wrong, TakenOver):
            raise
        except Exception as error:  # of st2's own models, anything; its text may hold the value
            failures += 1
            told += [failure(item, "st2's models refuse it: %s" % type(error).__name__)] if len(told) < MOST_FAILURES else []
    if not whole:
        raise Wrong("the content broke off on its way here; what came before that is written")
    say(APPLIED + json.dumps({"written": written, "failures": failures, "told": told}, sort_keys=True))


def failure(item, words):
    return {"kind": item["kind"], "scope": item.get("scope") or "", "user": item.get("user") or "",
            "name": item.get("name") or (item.get("key_hash") or "")[:8], "why": words}  # fmt: skip


def items(source):
    """The lines that come, as what they say."""
    while True:
        line = source.readline(MOST_LINE)
        if not line.endswith(b"\n"):
            return
        item = json.loads(line.decode("ascii"))
        if item.get("kind") != "end" and item.get("kind") not in KINDS:
            raise Wrong("what came is none of %s" % ", ".join(sorted(KINDS)))
        yield item


def say(text):
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
