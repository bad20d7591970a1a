"""Take apart what stands after --hosts, and say what else was known when a word of it is not."""

import difflib
from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase

from rollout.errors import UnknownName, UsageError

# More names than this do not help anybody who reads them on a screen.
MOST_NAMES = 60


def split(words: str) -> tuple[list[str], list[str]]:
    """The words to take and the words to leave out, each in the order typed."""
    asked = [word.strip() for word in words.split(",")]
    take = [word for word in asked if word and not word.startswith("!")]
    leave = [word[1:].strip() for word in asked if word.startswith("!")]
    if not all(leave):
        raise UsageError(f"--hosts {words}: ! stands alone", "put the name right behind it, as in '!dc2'")
    if not take and leave:
        raise UsageError(f"--hosts {words}: says only what to leave out", f"--hosts '*,{words}' begins with everything")
    if not take:
        raise UsageError(f"--hosts {words}: names nothing", "the names: invoke inventory.show")
    return take, leave


def is_glob(word: str) -> bool:
    """True when WORD is a pattern and not a name."""
    return any(sign in word for sign in "*?[")


def matching(pattern: str, names: Mapping[str, tuple[str, ...]]) -> set[str]:
    """The hosts behind every name that fits the pattern."""
    return {host for name, hosts in names.items() if fnmatchcase(name, pattern) for host in hosts}


def unknown(word: str, names: Iterable[str], because: str = "") -> UnknownName:
    """The error for a word that means nothing here; its hint lists what does, near misses first."""
    known = list(names)
    near = difflib.get_close_matches(word, known, n=3, cutoff=0.6)
    what = f"no name fits {word}" if is_glob(word) else f"no environment, group, deployment or host is called {word}"
    hint = listed([*near, *(name for name in known if name not in near)])
    if near:
        hint = f"did you mean {' or '.join(near)}? {hint}"
    return UnknownName(f"--hosts: {what}", f"{because}; {hint}" if because else hint)


def listed(names: list[str]) -> str:
    """The known names in a sentence, not more than can be read."""
    if not names:
        return "the inventory has no names yet"
    more = len(names) - MOST_NAMES
    return f"known: {', '.join(names[:MOST_NAMES])}" + (f" and {more} more (invoke inventory.show)" if more > 0 else "")
