"""Faults that a test may order: variables of a unit's EnvironmentFile, and files under /run/lab (docs/standin.md)."""

import os
import signal
import sys
import time
from pathlib import Path

FOLDER = Path("/run/lab")


def pause(name: str) -> None:
    """Sleep as many seconds as the file /run/lab/NAME says, if it is there."""
    time.sleep(seconds(name) or 0.0)


def seconds(name: str) -> float | None:
    """The number in /run/lab/NAME; 0 for an empty file, None when there is none."""
    try:
        text = (FOLDER / name).read_text().strip()
    except FileNotFoundError:
        return None
    return float(text or 0)


def store_wait() -> float | None:
    """How long to wait for a store that does not answer, when a test or a first installation says so."""
    told = os.environ.get("LAB_STORE_WAIT")
    return float(told) if told else seconds("store-down")


def ordered(name: str) -> bool:
    """Whether /run/lab/NAME is there."""
    return (FOLDER / name).exists()


def at_service_start() -> None:
    """Obey START_DELAY, START_REFUSES and STOP_IGNORES_TERM; USR1 and HUP (reopen the logs) must not end a service."""
    for harmless in (signal.SIGUSR1, signal.SIGHUP):
        signal.signal(harmless, lambda *_: None)
    time.sleep(float(os.environ.get("START_DELAY") or 0))
    if os.environ.get("START_REFUSES"):
        sys.exit("START_REFUSES is set")
    if os.environ.get("STOP_IGNORES_TERM"):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
