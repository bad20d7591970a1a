"""Keys and API keys of st2 as its database holds them, in lines of JSON on standard output. Python 2.7 and 3, st2's virtualenv.

The database is asked and not the API: no release lists the keys of all users there unless RBAC is on, and releases from 2.3
on give 50 or 100 of them at a time (st2api/controllers/v1/keyvalue.py). Secrets are decrypted in this process by st2's own code.

A key counts as what its release takes it for. Those of an older form, which a migration left behind, are not seen by st2 any
more; they come as `stale`, unless a key of the new form has their name.
"""

import calendar
import hashlib
import json
import os
import re
import sys
import time

from store_server import CONF, Way, Wrong, client_of, options_of, speaking

MARK = b"@stormlift-content "
SCHEMA = "stormlift.content/1"
KEYS, API_KEYS = "key_value_pair_d_b", "api_key_d_b"
PATIENCE = 60  # seconds, for an answer of the database
MOST_TOLD = 100
CRYPTO_KEY = "/etc/st2/keys/datastore_key.json"
# What st2's EscapedDictField writes for them in the names of a dictionary (st2common/fields.py).
_DOT, _DOLLAR = u"\uff0e", u"\uff04"
_SCOPES = {"system": "system", "st2kv.system": "system", "user": "user", "st2kv.user": "user", None: "system"}


def release():
    import st2common

    return st2common.__version__


def numbers(text):
    """A release as numbers that can be compared; 3.9dev is as new as 3.9."""
    return tuple(int(each) for each in re.findall(r"\d+", text)[:3])


def scopes_of(version):
    """The scopes that a release looks under: 1.5 brought them, 2.1 renamed them."""
    if version < (1, 5):
        return None
    return ("system", "user") if version < (2, 1) else ("st2kv.system", "st2kv.user")


class Lines(object):
    """Standard output as lines of JSON, counted and digested."""

    def __init__(self, out):
        self._out, self._digest = out, hashlib.sha256()
        self.count = 0

    def head(self, **told):
        self._out.write(MARK + json.dumps(dict(told, schema=SCHEMA), sort_keys=True).encode("ascii") + b"\n")
        self._out.flush()  # its clock is compared with another one when it comes

    def line(self, **told):
        text = json.dumps(told, sort_keys=True).encode("ascii") + b"\n"
        self._digest.update(text)
        self._out.write(text)
        self.count += 1

    def end(self, **told):
        told.update(kind="end", records=self.count, sha256=self._digest.hexdigest())
        self._out.write(json.dumps(told, sort_keys=True).encode("ascii") + b"\n")
        self._out.flush()


# --- keys ----------------------------------------------------------------------------------------------------


def crypto_key_path():
    return options_of(CONF, "keyvalue")("encryption_key_path") or CRYPTO_KEY


def decrypter(path):
    """What decrypts a value with the key in PATH: keyczar's keys before 2.10, st2's own since. Raises Wrong."""
    from st2common.util import crypto

    try:
        if hasattr(crypto, "read_crypto_key"):
            key = crypto.read_crypto_key(path)
        else:
            from keyczar.keys import AesKey

            with open(path) as opened:
                key = AesKey.Read(opened.read())
    except Exception as error:  # neither library has a word of its own for it, and its text may hold the key
        raise Wrong("the crypto key in %s cannot be read: %s" % (path, getattr(error, "strerror", "") or type(error).__name__))

    def decrypted(value):
        found = crypto.symmetric_decrypt(key, value)
        return found.decode("utf-8") if isinstance(found, bytes) else found

    return decrypted


def named(document):
    """(scope, user, name) of a key; those of users are stored as USER:NAME."""
    scope, name = _SCOPES.get(document.get("scope"), "system"), document["name"]
    if scope != "user":
        return scope, "", name
    user, _, name = name.partition(":")
    return scope, user, name


def expiry(document):
    """When a key ends, in seconds since 1970, or None."""
    when = document.get("expire_timestamp")
    return calendar.timegm(when.timetuple()) + when.microsecond / 1e6 if when else None


def read_keys(db, lines):
    """Every key, and in the end how many had expired, which stale ones a live one has taken the place of, and which are odd."""
    live, decrypted = scopes_of(numbers(release())), None
    seen, came, shadowed, odd, expired, now = set(), set(), [], [], 0, time.time()
    for stale in (False, True) if live else (False,):
        for document in db[KEYS].find():
            # An old storage engine may give a document twice when it moves meanwhile.
            if (live and (document.get("scope") not in live) != stale) or document["_id"] in came:
                continue
            came.add(document["_id"])
            identity = named(document)
            if odd_of(document, identity):
                odd.append(" ".join([part for part in identity if part] + [odd_of(document, identity)]))
                continue
            if identity in seen:
                shadowed.append(" ".join(part for part in identity if part))
                continue
            seen.add(identity)
            ends = expiry(document)
            if ends is not None and ends <= now:
                expired += 1
                continue
            value, secret = document.get("value"), bool(document.get("secret"))
            if secret:
                decrypted = decrypted or decrypter(crypto_key_path())
            lines.line(kind="key", scope=identity[0], user=identity[1], name=identity[2], secret=secret, expires=ends,
                       stale=stale, value=opened(value, identity, decrypted) if secret else value)  # fmt: skip
    return {"expired": expired, "shadowed": sorted(shadowed)[:MOST_TOLD], "shadows": len(shadowed),
            "odd": sorted(odd)[:MOST_TOLD], "odds": len(odd)}  # fmt: skip


def opened(value, identity, decrypted):
    try:
        return decrypted(value)
    except Exception as error:  # each library has its own, and its text may quote what it was given
        words = (" ".join(part for part in identity if part), crypto_key_path(), type(error).__name__)
        raise Wrong("the value of the key %s cannot be decrypted with %s (%s)" % words)


def odd_of(document, identity):
    """What no instance could take of a key, or ""."""
    if not identity[2] or (identity[0] == "user" and not identity[1]):
        return "(without a user or a name)"
    return "" if isinstance(document.get("value"), (type(u""), str)) else "(its value is no text)"


# --- API keys ------------------------------------------------------------------------------------------------


def unescaped(value):
    if isinstance(value, dict):
        return dict((name.replace(_DOT, u".").replace(_DOLLAR, u"$"), unescaped(each)) for name, each in value.items())
    return [unescaped(each) for each in value] if isinstance(value, list) else value


def moment(when):
    """When an API key was made; st2 stores microseconds since 1970 (st2common/fields.py, ComplexDateTimeField)."""
    if hasattr(when, "strftime"):
        return when.strftime("%Y-%m-%dT%H:%M:%SZ")
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(int(when) // 1000000)) if when else ""


def read_apikeys(db, lines):
    for document in db[API_KEYS].find():
        lines.line(
            kind="apikey",
            user=document["user"],
            key_hash=document["key_hash"],
            metadata=unescaped(document.get("metadata") or {}),
            enabled=bool(document.get("enabled", True)),
            created=moment(document.get("created_at")),
        )
    return {}


# --- what is asked for -----------------------------------------------------------------------------------------

PARTS = {"keys": read_keys, "apikeys": read_apikeys}


def read(*parts):
    """The PARTS one after the other; the last line tells that it is the last."""
    way = Way()
    lines, told = Lines(getattr(sys.stdout, "buffer", sys.stdout)), {}
    with speaking(way):
        db = client_of(way, patience=PATIENCE)[way.db]
        lines.head(release=release(), at=time.time(), host=os.uname()[1], parts=list(parts))
        for part in parts:
            told[part] = PARTS[part](db, lines)
    lines.end(told=told)
