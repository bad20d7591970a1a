"""Names folded as an operator writes them: st2-a, st2-b, st2-c, st2-d as `st2-[a-d]`, and back."""

import re
from collections.abc import Iterable, Iterator
from itertools import groupby

FEWEST = 3  # two names are read faster than a fold of them
# A name ends in what is counted: a number, or a letter of its own behind a sign.
_COUNTED = re.compile(r"(?P<stem>.*?)(?P<count>\d+|(?<=[^A-Za-z0-9])[a-z])")
_FOLDED = re.compile(r"(?P<stem>.*)\[(?P<items>[a-z0-9,-]+)\]")


def fold(names: Iterable[str]) -> str:
    """NAMES in few words, each once, in the order in which they first appear; `unfold` gives them back.

    Folded are names that differ only in the number, or the single letter, at their end; web09 and web9 stay apart.
    """
    split = {name: _split(name) for name in names}
    # Numbers of a fixed width are another series than numbers that grow: 01 is not 1.
    padded = {(stem, len(count)) for stem, count in split.values() if len(count) > 1 and count[0] == "0"}
    groups: dict[tuple[str, int], list[str]] = {}
    for name, (stem, count) in split.items():
        width = len(count) if (stem, len(count)) in padded else 0
        groups.setdefault((stem, width) if count else (name, -1), []).append(name)
    return ", ".join(text for (stem, _), group in groups.items() for text in _texts(stem, group))


def unfold(text: str) -> tuple[str, ...]:
    """The names that `fold` made TEXT of."""
    return tuple(name for word in text.split(", ") if word for name in _unfolded(word))


def _split(name: str) -> tuple[str, str]:
    found = _COUNTED.fullmatch(name)
    return (found["stem"], found["count"]) if found else (name, "")


def _texts(stem: str, names: list[str]) -> list[str]:
    if len(names) < FEWEST:
        return names
    counts = sorted((_split(name)[1] for name in names), key=_place)
    runs = [[count for _, count in run] for _, run in groupby(enumerate(counts), key=lambda at: _place(at[1]) - at[0])]
    items = [run[0] if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs]
    return [f"{stem}[{','.join(items)}]"]


def _place(count: str) -> int:
    return int(count) if count.isdigit() else ord(count) - (1 << 20)  # letters apart from all numbers


def _unfolded(word: str) -> Iterator[str]:
    found = _FOLDED.fullmatch(word)
    if not found:
        yield word
        return
    for item in found["items"].split(","):
        first, _, last = item.partition("-")
        for place in range(_place(first), _place(last or first) + 1):
            count = str(place).zfill(len(first)) if first.isdigit() else chr(place + (1 << 20))
            yield f"{found['stem']}{count}"
