"""The event stream of a segment, as the runner on a host writes it: lines in, what was told out."""

from collections.abc import Callable
from dataclasses import dataclass, field

from rollout.execute import Told

_LOG_LINES = 20


@dataclass
class Stream:
    """Reads the stream over as many connections as it takes.

    offset   bytes that were read, where the next connection goes on
    over     the segment has ended, or died
    foreign  what is followed is another controller's segment that still ran; ours has not begun
    noise    what came before the stream: banners, sudo's complaints
    """

    mask: Callable[[str], str]
    offset: int = 0
    over: bool = False
    foreign: bool = False
    noise: list[str] = field(default_factory=list)
    _log: list[str] = field(default_factory=list)
    _begun: bool = False

    def connected(self) -> None:
        """A new connection begins; its first lines are no events."""
        self._begun = False
        self.noise = []

    def read(self, line: str) -> Told | None:
        """Take one LINE (decoded with surrogateescape); gives what it tells, if anything."""
        if not self._begun:
            self._before(line)
            return None
        if line not in ("@alone", "@gone"):  # said by the follower, not by the runner: no part of the events
            self.offset += len(line.encode("utf-8", "surrogateescape")) + 1
        if not line.startswith("@"):
            self._log.append(self.mask(readable(line.removeprefix("| "))))
            return None
        return self._event(*line[1:].split(" "))

    def _before(self, line: str) -> None:
        if line in ("@follow own", "@follow busy"):
            self._begun = True
            if self.foreign or line.endswith("busy"):
                self.offset = 0  # another segment's events are counted from its own start
            self.foreign = line.endswith("busy")
        else:
            self.noise.append(self.mask(readable(line)))

    def _event(self, kind: str, *words: str) -> Told | None:
        if kind in ("end", "gone"):
            self.over = True
            return Told("interrupted") if self.foreign or kind == "gone" else None
        if kind == "alone":
            return Told("alone")
        if kind == "started" and len(words) == 2:
            return Told("started", words[0], float(words[1]))
        if kind == "halted" and len(words) == 2:
            # Another controller's halt is none of this run's.
            return None if self.foreign else Told("halted", words[0], float(words[1]))
        if kind == "finished" and len(words) == 4:
            said = "\n".join(self._log[-_LOG_LINES:])
            self._log.clear()
            told = Told("finished", words[0], float(words[1]), int(words[2]), words[3] == "true", said)
            # Another controller's failed step is in the journal; this run decides on it anew.
            return None if self.foreign and told.code != 0 else told
        return None


def readable(line: str) -> str:
    """LINE without undecodable bytes."""
    return line.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
