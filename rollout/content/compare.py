"""Hold two sides against each other: what is the same, what differs and in what, what is missing. Never a value."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from hashlib import sha256
from typing import Any

from rollout.codec import canonical
from rollout.content.items import Identity, Print

# Seconds by which two expiries may differ: one is carried as what is left, and clocks are read over links.
EXPIRY_S = 120
# Seconds before its end from which on it is not worth while to write a key.
OVER_S = 5
_SHOWN = 20


class What(str, Enum):
    """How an item of the one side stands on the other."""

    SAME = "same"
    MISSING = "missing"
    DIFFERS = "differs"
    EXPIRY = "expiry differs"
    EXPIRED = "expired meanwhile"


Prints = dict[Identity, Print]


def held(old: Print, new: Print | None, now: float, slack: float = EXPIRY_S) -> What:
    """How an item stands on the new side, which may not have it, at NOW by the controller's clock.

    One that ends within SLACK seconds may be gone there already.
    """
    if new is None:
        return What.EXPIRED if old.expires is not None and old.expires <= now + slack else What.MISSING
    if new.digest != old.digest:
        return What.DIFFERS
    if (old.expires is None) != (new.expires is None):
        return What.EXPIRY
    if old.expires is not None and new.expires is not None and abs(old.expires - new.expires) > EXPIRY_S:
        return What.EXPIRY
    return What.SAME


@dataclass(frozen=True)
class Comparison:
    """Every item of the old side by how it stands on the new one, and what the new one has beside them."""

    found: dict[Identity, What] = field(default_factory=dict)
    beside: tuple[Identity, ...] = ()

    def of(self, *whats: What) -> tuple[Identity, ...]:
        """The items that stand so, sorted by name."""
        return tuple(sorted((each for each, what in self.found.items() if what in whats), key=_sorted))

    @property
    def equal(self) -> bool:
        """True when the new side has everything of the old one as it was there."""
        return all(what in (What.SAME, What.EXPIRED) for what in self.found.values())


def compare(
    old: Mapping[Identity, Print], new: Mapping[Identity, Print], now: float, slack: float = EXPIRY_S
) -> Comparison:
    """How everything of OLD stands in NEW, which was read at NOW by the controller's clock; SLACK as for `held`."""
    found = {each: held(print_, new.get(each), now, slack) for each, print_ in old.items()}
    return Comparison(found, tuple(sorted((each for each in new if each not in old), key=_sorted)))


def _sorted(identity: Identity) -> tuple[str, ...]:
    return identity.kind, identity.scope, identity.user, identity.name


def group(identity: Identity) -> str:
    """The line of a certificate that an item counts in."""
    return "API keys" if identity.kind == "apikey" else f"keys of {'users' if identity.user else 'the system'}"


def totals(
    old: Mapping[Identity, Print], new: Mapping[Identity, Print], found: Comparison
) -> dict[str, dict[str, Any]]:
    """A line for each group: how many the old side has, how many are the same, and the digests of both over the same names."""
    lines: dict[str, dict[str, Any]] = {}
    for name in sorted({group(each) for each in old}):
        mine = [each for each in old if group(each) == name]
        count = Counter(found.found[each].value for each in mine)
        lines[name] = {
            "old": len(mine),
            "same": count[What.SAME.value],
            "expired": count[What.EXPIRED.value],
            "old_digest": digest(mine, old),
            "new_digest": digest(mine, new),
        }
    return lines


def digest(names: Iterable[Identity], prints: Mapping[Identity, Print]) -> str:
    """One digest over the items NAMES as PRINTS has them; those that are missing there leave their mark."""
    found = sha256()
    for each in sorted(names, key=_sorted):
        print_ = prints.get(each)
        found.update(canonical([each, print_.digest.hex() if print_ else None]).encode() + b"\n")
    return found.hexdigest()


def listed(names: Iterable[Identity]) -> list[str]:
    """The first of NAMES, and how many more there are."""
    known = list(names)
    more = [f"and {len(known) - _SHOWN} more"] if len(known) > _SHOWN else []
    return [*(str(each) for each in known[:_SHOWN]), *more]
