"""Sample keys in the shape of the release: what an operator of that year would have stored."""

from typing import Any

from st2common import traits
from st2common.constants.keyvalue import SYSTEM_SCOPE, USER_SCOPE, full_scope
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.util.crypto import CryptoKey

PLAIN = {
    "region": "eu-central-1",
    "release_channel": "stable",
    "pagerduty.service": "st2-ops",
    "jenkins.url": "http://jenkins.example.com:8080/",
    "motd": "ça marche - 運用 ✓",
    "banner": "two\nlines, a 'quote', a \"quote\" and a $dollar",
    "limits": '{"cpu": 4, "memory": "8g", "hosts": ["a", "b"]}',
    "empty": "",
    "percent%20name": "50 %",
}
COUNTED = {f"datacenter.{site}.host{n:02d}": f"10.{n}.0.{n}" for site in ("fra", "ams") for n in range(1, 9)}
SECRETS = {
    "aws.secret_key": "wJalr/EXAMPLE+KEY",
    "smtp.password": "hunter2 & more",
    "db.dsn": "postgresql://a:b%40c@d/e",
}
USERS = ("stanley", "alice", "bob")
OF_A_USER = {"editor": "vim", "theme": "dark", "last_run": "1476000000"}


def sample_keys(key: CryptoKey) -> list[KeyValuePairDB]:
    """The keys; 1.4 knows plain ones only, from 1.5 on some are secret and some belong to users."""
    rows = [_row(name, value) for name, value in {**PLAIN, **COUNTED}.items()]
    if traits.SCOPED_KEYS:
        rows += [_row(name, key.encrypt(value), secret=True) for name, value in SECRETS.items()]
        for user in USERS:
            rows += [_row(f"{user}:{name}", value, USER_SCOPE) for name, value in OF_A_USER.items()]
            rows.append(_row(f"{user}:token", key.encrypt(f"token of {user}"), USER_SCOPE, secret=True))
    else:
        rows += [_row(name, value) for name, value in SECRETS.items()]
    return rows


def _row(name: str, value: str, scope: str = SYSTEM_SCOPE, *, secret: bool = False) -> KeyValuePairDB:
    fields: dict[str, Any] = {"name": name, "value": value}
    if traits.SCOPED_KEYS:
        fields.update(scope=full_scope(scope), secret=secret)
    return KeyValuePairDB(**fields)
