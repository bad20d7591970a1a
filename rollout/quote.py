"""The one place where a value becomes shell text."""

import shlex
from collections.abc import Iterable


def shell(argv: Iterable[str]) -> str:
    """ARGV as one line of POSIX sh that runs exactly these words, as an operator could paste it."""
    return " ".join(shlex.quote(word) for word in argv)
