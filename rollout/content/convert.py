"""Rewrite content for the release that it goes to (facts: st2api's controllers and st2client at each tag)."""

import math
from dataclasses import dataclass
from typing import Any

from rollout.content.items import USER, ApiKey, Item, Key
from rollout.versions import order

# 1.5 brought scopes, users and secrets of keys, 2.1 gave the scopes new names.
_SCOPES_SINCE, _RENAMED_IN = order("1.5"), order("2.1")


@dataclass(frozen=True)
class Target:
    """Where content goes: the release, and the time there that counts, in seconds since 1970 by the controller's clock."""

    release: str

    @property
    def scoped(self) -> bool:
        """Whether its keys have scopes, users and secrets."""
        return order(self.release) >= _SCOPES_SINCE

    def scope(self, scope: str) -> str:
        """What the release calls SCOPE; "" where it knows none."""
        if not self.scoped:
            return ""
        return f"st2kv.{scope}" if order(self.release) >= _RENAMED_IN else scope


def lost(item: Item, target: Target) -> str:
    """Why TARGET cannot hold ITEM as it is, or ""."""
    if target.scoped:
        return ""
    if isinstance(item, ApiKey):
        return f"the API of st2 {target.release} takes none by its digest"
    if item.scope == USER:
        return f"st2 {target.release} knows no keys of users"
    return f"st2 {target.release} knows no secrets" if item.secret else ""


def left(expires: float | None, now: float) -> int | None:
    """The whole seconds that are left at NOW, None without an expiry; 0 and less: it is over."""
    return None if expires is None else math.ceil(expires - now)


def written(item: Item, target: Target, expires: float | None, now: float, *, replace: bool = False) -> dict[str, Any]:
    """ITEM as the program on the host takes it (onhost/content_apply.py); EXPIRES and NOW by the controller's clock."""
    if isinstance(item, ApiKey):
        told = {"user": item.user, "key_hash": item.key_hash, "metadata": item.metadata, "enabled": item.enabled}
        return {"kind": "apikey", **told, "replace": replace}
    return {
        "kind": "key",
        "name": item.name,
        "scope": target.scope(item.scope),
        "user": item.user,
        "secret": item.secret,
        "ttl": left(expires, now),
        "value": item.value.reveal(),
    }


def comparable(item: Item, target: Target) -> Any:
    """The content of ITEM as an instance of TARGET's release gives it back."""
    return item.content if not isinstance(item, Key) or target.scoped else [item.value.reveal(), False]
