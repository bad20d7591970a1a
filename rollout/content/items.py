"""One thing that moves: a key of the datastore or an API key, what it is called, and a digest that gives no value away."""

import hmac
import json
import math
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from rollout.codec import Malformed, canonical, decode
from rollout.secret import Secret

SYSTEM, USER = "system", "user"
_SHOWN_OF_A_HASH = 8


@dataclass(frozen=True, order=True)
class Identity:
    """What tells one item from every other; of an API key `name` is the digest that st2 stores of it, whoever has it."""

    kind: str
    name: str
    scope: str = ""
    user: str = ""

    def __str__(self) -> str:
        if self.kind == "apikey":
            return f"API key {shown(self.name[:_SHOWN_OF_A_HASH])}..."
        whose = f"of {shown(self.user)}" if self.scope == USER else "of the system"
        return f'key "{shown(self.name)}" {whose}'


def shown(text: str) -> str:
    """TEXT as it may stand on a screen: what would move the cursor or change colours is spelled out."""
    return "".join(each if each.isprintable() else json.dumps(each)[1:-1] for each in text)


@dataclass(frozen=True)
class Key:
    """A key as its instance had it: the value decrypted, `expires` in seconds since 1970 by that host's clock.

    `stale`: of a form that its release does not read any more, and no other stands in its place.
    """

    name: str
    value: Secret
    scope: str = SYSTEM
    user: str = ""
    secret: bool = False
    expires: float | None = None
    stale: bool = False

    @property
    def identity(self) -> Identity:
        """Its scope, user and name."""
        return Identity("key", self.name, self.scope, self.user)

    @property
    def content(self) -> Any:
        """What two keys of one identity have in common when they are equal; the expiry is compared by itself."""
        return [self.value.reveal(), self.secret]


@dataclass(frozen=True)
class ApiKey:
    """An API key, by the digest that st2 stores of it: whoever holds the key itself goes on using it."""

    user: str
    key_hash: str
    metadata: dict[str, Any] = field(default_factory=dict)
    enabled: bool = True
    created: str = ""

    expires = None

    @property
    def identity(self) -> Identity:
        """Its digest: there is one of each in an instance."""
        return Identity("apikey", self.key_hash)

    @property
    def content(self) -> Any:
        """What two of one identity have in common when they are equal; when it was made cannot be carried."""
        return [self.user, self.metadata, self.enabled]


Item = Key | ApiKey


@dataclass(frozen=True)
class _KeyLine:
    kind: str
    scope: str
    user: str
    name: str
    secret: bool
    value: str = field(repr=False)
    expires: float | None = None
    stale: bool = False


@dataclass(frozen=True)
class _ApiKeyLine:
    kind: str
    user: str
    key_hash: str
    metadata: dict[str, Any]
    enabled: bool
    created: str = ""


def item(data: Any, place: str) -> Item:
    """The item in the object DATA. Raises Malformed with PLACE and the key; it never repeats a value."""
    kind = data.get("kind") if isinstance(data, dict) else None
    if kind == "key":
        line = decode(_KeyLine, data, place)
        if line.scope not in (SYSTEM, USER) or (line.scope == USER) != bool(line.user) or not line.name:
            raise Malformed(f"{place}: a key has a scope, a name, and a user where the scope is one's")
        if line.expires is not None and not math.isfinite(line.expires):
            raise Malformed(f"{place}.expires: is no moment")
        return Key(line.name, Secret(line.value), line.scope, line.user, line.secret, line.expires, line.stale)
    if kind == "apikey":
        found = decode(_ApiKeyLine, data, place)
        return ApiKey(found.user, found.key_hash, found.metadata, found.enabled, found.created)
    raise Malformed(f"{place}: neither a key nor an API key")


@dataclass(frozen=True)
class Print:
    """What is kept of an item to compare it with another: a digest, and when it expires by the controller's clock."""

    digest: bytes
    expires: float | None = None


def print_of(content: Any, salt: bytes, expires: float | None = None) -> Print:
    """The print of CONTENT. Salted: the digest of a short value could be guessed."""
    return Print(hmac.new(salt, canonical(content).encode(), sha256).digest(), expires)
