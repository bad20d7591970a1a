"""Read hooks: the operator's own commands, run where invoke is typed, at points of an upgrade."""

import re
import shlex

from inventory.document import Entry, Listing, Scalar, Table, Value, mistake
from inventory.shapes import found, table, text
from rollout.model import HOOKS, Hook

_SECONDS = re.compile(r"[1-9]\d{0,4}")
_NO_WORD = re.compile("[\0\ud800-\udfff]")  # YAML can write them, no program can be given them
_EXPECTED = "a command: words in a list, or a line that is split as a shell would"


def read_hooks(entry: Entry | None, environment: str) -> tuple[Hook, ...]:
    """The hooks of one file, in the order in which their points come."""
    if entry is None:
        return ()
    entries = table(entry.value, "hooks", HOOKS)
    return tuple(_hook(point, entries[point], environment) for point in HOOKS if point in entries)


def _hook(point: str, entry: Entry, environment: str) -> Hook:
    key = f"hooks.{point}"
    if not isinstance(entry.value, Table):
        return Hook(point, _command(entry.value, key), inventory=environment)
    parts = table(entry.value, key, ("command", "timeout"))
    if "command" not in parts:
        raise mistake(entry.place, f"{key}.command", f"missing, expected {_EXPECTED}")
    hook = Hook(point, _command(parts["command"].value, f"{key}.command"), inventory=environment)
    if "timeout" not in parts:
        return hook
    return Hook(point, hook.argv, _seconds(parts["timeout"].value, f"{key}.timeout"), environment)


def _command(value: Value, key: str) -> tuple[str, ...]:
    words = _words(value, key)
    if any(map(_NO_WORD.search, words)):
        raise mistake(value.place, key, "expected words of whole characters, found a NUL or half of one")
    return words


def _words(value: Value, key: str) -> tuple[str, ...]:
    if isinstance(value, Listing) and value.items:
        return (text(value.items[0], key, "a command").text, *(_word(item, key) for item in value.items[1:]))
    line = text(value, key, _EXPECTED)
    try:
        words = tuple(shlex.split(line.text))
    except ValueError:
        raise mistake(line.place, key, "a quote in it is not closed") from None
    if not words or not words[0]:
        raise mistake(line.place, key, f"expected {_EXPECTED}, found an empty word")
    return words


def _word(value: Value, key: str) -> str:
    if not isinstance(value, Scalar) or value.kind == "null":
        raise mistake(value.place, key, f"expected words in the list, found {found(value)}")
    return value.text


def _seconds(value: Value, key: str) -> int:
    expected = "expected seconds from 1 to 99999"
    if not isinstance(value, Scalar):
        raise mistake(value.place, key, f"{expected}, found {found(value)}")
    if value.kind != "int" or not _SECONDS.fullmatch(value.text):
        raise mistake(value.place, key, f"{expected}, found {value.text!r}")
    return int(value.text)
