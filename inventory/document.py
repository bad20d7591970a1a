"""Read one YAML file into values that remember their line; whatever is wrong with it is said with file and line."""

import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from rollout.errors import InventoryError

# An inventory of a thousand hosts has some ten thousand values; what is beyond is an alias that multiplies itself.
MOST_VALUES = 100_000
MOST_BYTES = 1 << 20
DEEPEST = 12

_CORE = "tag:yaml.org,2002:"
_PLAIN = {_CORE + kind for kind in ("str", "int", "float", "bool", "null", "timestamp", "map", "seq", "merge", "value")}

MANUAL = "inventory/example.yml shows every key of the format"


@dataclass(frozen=True)
class Place:
    """A line of a file, as an editor takes it."""

    path: Path
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


@dataclass(frozen=True)
class Scalar:
    """One word as it was typed (so that 2.10 stays 2.10), with the type that YAML sees in it."""

    place: Place
    text: str
    kind: str


@dataclass(frozen=True)
class Listing:
    """Values in order."""

    place: Place
    items: tuple["Value", ...]


@dataclass(frozen=True)
class Entry:
    """A value, and where its key stands."""

    place: Place
    value: "Value"


@dataclass(frozen=True)
class Table:
    """Values by key, in order."""

    place: Place
    entries: dict[str, Entry]


Value = Scalar | Listing | Table


def mistake(place: Place, key: str, what: str, hint: str = "") -> InventoryError:
    """The one form of a complaint: file, line, key, what is wrong."""
    return InventoryError(f"{place}: {key + ': ' if key else ''}{what}", hint or MANUAL)


def read(path: Path) -> Table:
    """The top-level table of PATH; InventoryError when it is not plain, readable YAML with a table at the top."""
    try:
        node = yaml.compose(_text(path), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        raise _syntax(path, error) from None
    except RecursionError:
        raise mistake(Place(path, 1), "", "nested too deep for an inventory") from None
    if node is None:
        raise mistake(Place(path, 1), "", "the file is empty, expected at least hosts:", "example.yml shows every key")
    value = _Expansion(path).value(node, 0)
    if not isinstance(value, Table):
        raise mistake(value.place, "", "expected keys such as hosts: and deployments:", "example.yml shows every key")
    return value


def _text(path: Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InventoryError(f"{path}: cannot be read: {error.strerror}", "check its path and rights") from None
    if len(data) > MOST_BYTES:
        raise InventoryError(f"{path}: {len(data)} bytes, expected at most {MOST_BYTES}", "split it by data centre")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        place = Place(path, data[: error.start].count(b"\n") + 1)
        raise mistake(place, "", "not UTF-8", f"iconv -t UTF-8 {path} rewrites it") from None
    if odd := yaml.reader.Reader.NON_PRINTABLE.search(text):
        place = Place(path, text[: odd.start()].count("\n") + 1)
        raise mistake(place, "", f"character {odd.group()!r} has no place in YAML")
    return text


def _syntax(path: Path, error: yaml.MarkedYAMLError) -> InventoryError:
    mark = error.problem_mark or error.context_mark
    # A quoted word is a piece of the file, and the piece may be a password; quoted signs are what YAML expected.
    problem = re.sub(r"\s*'!?\w[^']+'", "", error.problem or "cannot be understood")
    if "\\t" in problem:
        return mistake(_at(path, mark), "", "a tab, expected blanks", "indent with two blanks a level")
    if "another document" in problem:
        return mistake(_at(path, mark), "", "a second document begins, expected one a file")
    hint = "a word that begins with one of @ * & ! % ` needs quotes" if "cannot start any token" in problem else ""
    return mistake(_at(path, mark), "", f"not valid YAML: {problem}", hint)


def _at(path: Path, mark: yaml.Mark | None) -> Place:
    return Place(path, mark.line + 1 if mark else 1)


class _Expansion:
    """Writes aliases and merge keys out, within a budget: nine lines of YAML can stand for a billion values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.left = MOST_VALUES

    def value(self, node: yaml.Node, depth: int) -> Value:
        place = self._enter(node, depth)
        if isinstance(node, yaml.ScalarNode):
            return Scalar(place, node.value, node.tag.removeprefix(_CORE))
        if isinstance(node, yaml.SequenceNode):
            return Listing(place, tuple(self.value(item, depth + 1) for item in node.value))
        return Table(place, self._entries(node, depth))

    def _enter(self, node: yaml.Node, depth: int) -> Place:
        place = _at(self.path, node.start_mark)
        self.left -= 1
        if self.left < 0:
            raise mistake(place, "", f"expected at most {MOST_VALUES} values, aliases written out")
        if depth > DEEPEST:
            raise mistake(place, "", "nested too deep, or an alias that holds itself")
        if node.tag not in _PLAIN:
            raise mistake(place, "", "a YAML tag, expected plain words", "a word that begins with ! needs quotes")
        return place

    def _entries(self, node: yaml.Node, depth: int) -> dict[str, Entry]:
        own: dict[str, Entry] = {}
        merged: dict[str, Entry] = {}
        for key, item in node.value:
            if key.tag == _CORE + "merge":
                for name, entry in self._merged(item, depth + 1):
                    merged.setdefault(name, entry)
                continue
            place = self._enter(key, depth + 1)
            if not isinstance(key, yaml.ScalarNode):
                raise mistake(place, "", "a list or a table as a key, expected a word")
            if key.value in own:
                raise mistake(place, key.value, f"stands here twice, first on line {own[key.value].place.line}")
            own[key.value] = Entry(place, self.value(item, depth + 1))
        return own | {name: entry for name, entry in merged.items() if name not in own}

    def _merged(self, node: yaml.Node, depth: int) -> list[tuple[str, Entry]]:
        value = self.value(node, depth)
        tables = value.items if isinstance(value, Listing) else (value,)
        pairs: list[tuple[str, Entry]] = []
        for table in tables:
            if not isinstance(table, Table):
                raise mistake(table.place, "<<", "expected a table to merge, as in <<: *name")
            pairs += table.entries.items()
        return pairs
