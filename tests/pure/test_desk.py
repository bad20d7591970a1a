"""Ctrl-C at the desk: heard at once, passed on to every run that is under way, and twice it leaves."""

import os
import pty
import signal
import subprocess
import sys
from pathlib import Path

from invoke.config import Config
from invoke.context import Context

from tasks.edge import DEFAULTS, LEFT_AT_ONCE, STOPPING, Desk

ROOT = Path(__file__).resolve().parent.parent.parent
_TWICE = """
import os, signal, sys, threading
from invoke.config import Config
from invoke.context import Context
from tasks.edge import DEFAULTS, Desk
desk = Desk(Context(Config(overrides={"stormlift": DEFAULTS})))
with desk.interruptible(), desk.halting(lambda: None):
    if sys.stderr.isatty():
        from tasks.screen import Live
        Live(("a",)).__enter__()
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    threading.Event().wait()
"""


def test_ctrl_c_reaches_every_run_that_is_under_way_and_no_other() -> None:
    desk = Desk(Context(Config(overrides={"stormlift": DEFAULTS})))
    halted: list[str] = []
    before = signal.getsignal(signal.SIGINT)
    with desk.interruptible():
        with desk.halting(lambda: halted.append("over")):
            pass
        with desk.halting(lambda: halted.append("one")), desk.halting(lambda: halted.append("two")):
            assert not desk.stopping
            os.kill(os.getpid(), signal.SIGINT)
            assert desk.stopping and halted == ["one", "two"]
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_twice_leaves_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _TWICE], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (130, STOPPING + LEFT_AT_ONCE)


def test_ctrl_c_twice_gives_the_terminal_its_cursor_back() -> None:
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm"}
    done = subprocess.run(
        [sys.executable, "-c", _TWICE], cwd=ROOT, stdout=theirs, stderr=theirs, env=environment, timeout=60, check=False
    )
    assert done.returncode == 130 and "\x1b[?25h" in os.read(ours, 4096).decode()
    for end in (ours, theirs):
        os.close(end)
