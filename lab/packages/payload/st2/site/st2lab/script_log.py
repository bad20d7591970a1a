"""An append-only log of the scripts that ran against a datastore, so that one that ran twice or elsewhere shows."""

import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager

from st2common import __version__
from st2common.service_setup import current_store

_INSERT = "INSERT INTO lab_script_log (run, script, release, host, outcome) VALUES (%s, %s, %s, %s, %s)"


@contextmanager
def logged(script: str) -> Iterator[None]:
    """Note that SCRIPT started, and how it ended; a killed one has no end."""
    who = (secrets.token_hex(4), script, __version__, socket.gethostname())
    current_store().run(_INSERT, (*who, "started"))
    try:
        yield
    except BaseException as error:
        current_store().run(_INSERT, (*who, f"failed: {type(error).__name__}"))
        raise
    current_store().run(_INSERT, (*who, "succeeded"))
