"""Sinks of events: a line an event on a pipe, a live view on a terminal, a file in the run's folder, a collector."""

import json
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollout.codec import encode
from rollout.events import Event
from tasks.edge import live

if TYPE_CHECKING:
    from rich.table import Table

    from tasks.edge import Desk


MOST_LINES = 20  # that a hook said
IN_SHORT = "in short:"  # behind it a step says again what is to be read of a long log


class Lines:
    """One line an event: `apt1: stop every st2 and mistral unit: done, 4 s`."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._since: dict[tuple[str, str], float] = {}

    def __call__(self, event: Event) -> None:
        """Say EVENT, if a person wants to know of it."""
        if line := self.line(event):
            self._say(line)

    def line(self, event: Event) -> str:
        """EVENT as a line, or "" when it says nothing to a person."""
        where = (event.host, event.step)
        if event.kind == "step-started":
            self._since[where] = event.at
            return ""
        if event.kind == "hook-finished":
            return _hooked(event)
        took = f", {event.at - self._since.pop(where, event.at):.0f} s" if event.kind == "step-finished" else ""
        texts = {
            "run-opened": f"{event.deployment}: run {event.data.get('run')}",
            "run-resumed": f"{event.deployment}: run {event.data.get('run')} goes on",
            "phase-started": f"{event.deployment}: {event.title}",
            "step-finished": "\n".join([*_said(event), f"{event.host}: {event.title}: {_ended(event)}{took}"]),
            "step-interrupted": f"{event.host}: cut off; looking what is left to do",
            "step-halted": f"{event.host}: stopped before: {event.title}",
            "step-alone": f"{event.host}: what ran the steps was ended; waiting for the command that it left running",
            "halt-unheard": f"{event.host}: cannot be told to stop ({event.title}): its steps go on by themselves",
            "link-lost": f"{event.host}: link lost; what runs there goes on, connecting again",
            "waiting": event.title,
        }
        return texts.get(event.kind, "")


def _hooked(event: Event) -> str:
    """What a hook said, and how it ended."""
    lines = [f"{event.title}: | {line}" for line in event.data["log"][-MOST_LINES:]]
    left_out = len(event.data["log"]) - MOST_LINES
    first = [f"{event.title}: | ({left_out} lines before it)"] if left_out > 0 else []
    return "\n".join([*first, *lines, f"{event.title}: {'FAILED' if event.data['error'] else 'done'}"])


def _said(event: Event) -> list[str]:
    """What a step said at its end, if that is for the operator; a step that fails is told of elsewhere."""
    log = event.data.get("log", []) if not event.data.get("code") else []
    return [f"{event.host}: | {line}" for line in (log[log.index(IN_SHORT) + 1 :] if IN_SHORT in log else log)]


def _ended(event: Event) -> str:
    if event.data.get("code"):
        return f"FAILED (code {event.data['code']})"
    return "done already" if event.data.get("proved") else "done"


class Live:
    """A line a deployment on a terminal, redrawn: phase, what runs where, for how long; finished steps scroll by above."""

    def __init__(self, names: tuple[str, ...]) -> None:
        from rich.console import Console
        from rich.live import Live as Screen

        self._console = Console(stderr=True)
        self._now: dict[str, dict[str, Any]] = {name: {"phase": "waiting", "steps": {}} for name in names}
        self._lines = Lines(lambda line: self._console.print(line, markup=False, highlight=False))
        self._lock = threading.Lock()
        self._screen = Screen(get_renderable=self._table, console=self._console, refresh_per_second=4, transient=True)

    def __call__(self, event: Event) -> None:
        """Take EVENT into the picture."""
        with self._lock:
            self._lines(event)
            now = self._now.get(event.deployment)
            if now is None:
                return
            if event.kind == "phase-started":
                now["phase"] = event.title
            elif event.kind == "step-started":
                now["steps"][event.host] = (event.title, event.at)
            elif event.kind in ("step-finished", "step-interrupted"):
                now["steps"].pop(event.host, None)
            elif event.kind == "waiting" and event.data.get("reason") in ("paused", "lock"):
                now["phase"] = f"waiting ({event.data['reason']})"
            elif event.kind == "deployment-finished":
                now["phase"], now["steps"] = event.data["outcome"], {}

    def _table(self) -> "Table":
        from rich.table import Table

        table = Table.grid(padding=(0, 2))
        for name, now in self._now.items():
            running = [f"{host}: {title}, {time.time() - at:.0f} s" for host, (title, at) in list(now["steps"].items())]
            table.add_row(name, now["phase"], "; ".join(running))
        return table

    def __enter__(self) -> "Live":
        """Begin to draw."""
        self._screen.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Leave the terminal as it was."""
        self._screen.stop()


class EventFile:
    """Appends every event, masked, to events.jsonl in the run's folder (0700, files 0600)."""

    def __init__(self, folder: Path, mask: Callable[[str], str]) -> None:
        folder.mkdir(parents=True, mode=0o700, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
        self._file = os.fdopen(os.open(folder / "events.jsonl", flags, 0o600), "a")
        self._mask = mask
        self._lock = threading.Lock()

    def __call__(self, event: Event) -> None:
        """Write EVENT."""
        with self._lock:
            self._file.write(json.dumps(self._masked(encode(event)), sort_keys=True) + "\n")
            self._file.flush()

    def _masked(self, value: Any) -> Any:
        """VALUE with its texts masked: before they are written as JSON, where a quote would be another text."""
        if isinstance(value, str):
            return self._mask(value)
        if isinstance(value, dict):
            return {key: self._masked(item) for key, item in value.items()}
        return [self._masked(item) for item in value] if isinstance(value, list) else value


@contextmanager
def shown(sitting: "Desk", run: str, names: tuple[str, ...]) -> Iterator[None]:
    """Show what happens while the block runs, and keep it in the run's folder."""
    sitting.sinks.append(EventFile(sitting.runs / run, sitting.mask))
    if live():
        with Live(names) as view:
            sitting.sinks.append(view)
            yield
    else:
        sitting.sinks.append(Lines(sitting.say))
        yield


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    """A table as plain text, columns padded."""
    widths = [max(len(row[i]) for row in (head, *rows)) for i in range(len(head))]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in (head, *rows)
    ]
    return "\n".join(lines)
