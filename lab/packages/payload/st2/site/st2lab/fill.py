"""Keys and API keys as an operator has them after some years: many, of many users, with every odd name and value."""

import hashlib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone

from st2common import traits
from st2common.constants.keyvalue import SYSTEM_SCOPE, USER_SCOPE, full_scope
from st2common.models.db.auth import ApiKeyDB, hashed
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.util.crypto import CryptoKey

from st2lab.store import Store, as_json, new_id

USERS = ("ops.team", "maria@example.com", "jürgen", *(f"user{n:02d}" for n in range(3, 50)))
NAMES = (
    "service{n}.endpoint",
    "counter_{n}",
    "deploy hook {n}",
    "percent%20{n}%",
    "chatops:room:{n}",
    "überwachung.host{n}",
    "運用-{n}",
    "what?{n}#part+more&x=1",
    "quoted '{n}' \"twice\"",
    "sensor.last_id.{n}",
)
# The API finds none of them. The strides below have no divisor in common with one another, nor with the number of scopes:
# whatever can come together does.
SLASHED = ("datacenter/fra/host{n}", "/absolute/{n}", "folder/{n}/", "two//in a row {n}", "ü/{n}%2F")
EVERY_SLASHED, EVERY_EMPTY, EVERY_EXPIRING, EVERY_SECRET = 19, 97, 11, 3
VALUES = (
    "{canary} {n}",
    "line one {n}\n{canary}\r\n\ttabbed, and a last line\n",
    'it\'s "{canary}" \\ `{n}` $HOME $(id)',
    '{{"token": "{canary}", "n": {n}, "hosts": ["a", "b"], "nested": {{"dot.ted": null}}}}',
    "ça marche - 運用 ✓ 😀 {canary} {n}",
    "{canary}=%7B{n}%7D&x=<b>",
)
MEBIBYTE = 1 << 20
BIG = (1, 2, 3)
API_KEYS = 12
BEGAN = 1_475_000_000_000_000


def fill(store: Store, key: CryptoKey, count: int, canary: str) -> dict[str, int]:
    """Add COUNT keys and twelve API keys, and say how many there are of each kind; a second time the same ones are written."""
    now = datetime.now(timezone.utc)
    told: Counter[str] = Counter(system=0, user=0, secret=0, expiring=0, slashes=0, apikeys=API_KEYS)
    rows = []
    for n in range(count):
        item = one(n, key, canary, now)
        rows.append((new_id(), item.get_uid(), as_json(item.to_document())))
        told["user" if traits.SCOPED_KEYS and n % 2 else "system"] += 1
        told["secret"] += bool(traits.SCOPED_KEYS and item.secret)
        told["expiring"] += item.expire_timestamp is not None
        told["slashes"] += "/" in item.name
    again = "ON CONFLICT (uid) DO UPDATE SET doc = EXCLUDED.doc"
    if rows:
        store.run_many(f"INSERT INTO key_value_pair_d_b (id, uid, doc) VALUES %s {again}", rows)
    made = [(new_id(), item.get_uid(), as_json(item.to_document())) for item in api_keys()]
    store.run_many(f"INSERT INTO api_key_d_b (id, uid, doc) VALUES %s {again}", made)
    return dict(told)


def one(n: int, key: CryptoKey, canary: str, now: datetime) -> KeyValuePairDB:
    """The key number N, which is the same every time but for the day of its end."""
    slashed = n % EVERY_SLASHED == 7
    name = (SLASHED[n // EVERY_SLASHED % len(SLASHED)] if slashed else NAMES[n // 2 % len(NAMES)]).format(n=n)
    value = "" if n % EVERY_EMPTY == 5 else VALUES[n // 3 % len(VALUES)].format(n=n, canary=canary)
    if n in BIG:
        value = (value + "." * MEBIBYTE)[:MEBIBYTE]
    fields: dict[str, object] = {"name": name, "value": value}
    if n % EVERY_EXPIRING == 3:
        fields["expire_timestamp"] = now + timedelta(days=2 + n % 9)
    if traits.SCOPED_KEYS:
        secret, of_user = n % EVERY_SECRET == 1, n % 2 == 1
        if secret:
            fields["value"] = key.encrypt(value, iv=hashlib.md5(f"{n}".encode()).digest())
        if of_user:
            fields["name"] = f"{USERS[n // 2 % len(USERS)]}:{name}"
        fields.update(scope=full_scope(USER_SCOPE if of_user else SYSTEM_SCOPE), secret=secret)
    return KeyValuePairDB(**fields)


def api_keys() -> Iterator[ApiKeyDB]:
    """Twelve; the one with the number N is `lab-api-key-N`, of the user N, and every fourth is disabled."""
    for n in range(API_KEYS):
        yield ApiKeyDB(
            user=USERS[n],
            key_hash=hashed(f"lab-api-key-{n}"),
            metadata={"used by": "ci", "owner": {"team.name": f"tëam {n}", "cost$centre": [n, {"a.b": True}]}},
            created_at=BEGAN + n * 86_400_000_123,
            enabled=n % 4 != 3,
        )
