"""Read what a key may hold in general: tables of known keys, names, lists of names, words, flags."""

import difflib
import re
from collections.abc import Iterable

from inventory.document import Entry, Listing, Scalar, Table, Value, mistake
from rollout.errors import InventoryError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SECRET_KEY = re.compile(r"pass(word|wd|phrase)|(^|[_-])(pass|pw|pwd)$|secret|token", re.IGNORECASE)


def close(word: str, known: Iterable[str]) -> str:
    """The known word that was probably meant, as a hint; "" when none is near."""
    near = difflib.get_close_matches(word, list(known), n=1)
    return f"did you mean {near[0]}?" if near else ""


def table(value: Value, key: str, allowed: Iterable[str] = ()) -> dict[str, Entry]:
    """The entries of a table whose keys are all ALLOWED (any key when nothing is given)."""
    if not isinstance(value, Table):
        raise mistake(value.place, key, f"expected keys with values, found {found(value)}")
    known = list(allowed)
    for name, entry in value.entries.items():
        if known and name not in known:
            raise _unknown_key(entry, f"{key}.{name}" if key else name, name, known)
    return value.entries


def _unknown_key(entry: Entry, where: str, name: str, known: list[str]) -> InventoryError:
    if _SECRET_KEY.search(name):
        hint = "write sudo: ask (asked once), sudo: env:NAME (a variable) or sudo: file:PATH (a file of yours)"
        return mistake(entry.place, where, "a secret has no place in an inventory", hint)
    return mistake(entry.place, where, f"unknown key, expected one of {', '.join(known)}", close(name, known))


def named(value: Value, key: str) -> dict[str, Entry]:
    """The entries of a table whose keys are names that --hosts can take."""
    entries = table(value, key)
    for name, entry in entries.items():
        if not NAME.fullmatch(name):
            what = "expected a name of letters, digits, dots, dashes and underscores, a letter or digit first"
            raise mistake(entry.place, f"{key}.{name}", what)
    return entries


def names(value: Value, key: str) -> dict[str, Scalar]:
    """A list of names, each once, in order, with the places where they stand."""
    if not isinstance(value, Listing) or not value.items:
        raise mistake(value.place, key, f"expected a list of names, as in [a, b], found {found(value)}")
    listed: dict[str, Scalar] = {}
    for item in value.items:
        word = text(item, key, "a name")
        if word.text in listed:
            raise mistake(word.place, key, f"{word.text} stands here twice")
        listed[word.text] = word
    return listed


def text(value: Value, key: str, expected: str) -> Scalar:
    """One word that is not blank; its text is as it was typed."""
    if not isinstance(value, Scalar) or value.kind == "null" or not value.text.strip():
        raise mistake(value.place, key, f"expected {expected}, found {found(value)}")
    return value


def flag(value: Value, key: str) -> bool:
    """true or false, and none of YAML's other words for them."""
    if not isinstance(value, Scalar) or value.text not in ("true", "false"):
        raise mistake(value.place, key, "expected true or false")
    return value.text == "true"


def found(value: Value) -> str:
    """What stands there, without showing it."""
    if isinstance(value, Table):
        return "keys"
    if isinstance(value, Listing):
        return "a list" if value.items else "an empty list"
    return "nothing" if value.kind == "null" or not value.text.strip() else "one word"
