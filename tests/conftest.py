"""What is drawn anew for every session, and how to draw the same again."""

import os
import random

from hypothesis import settings

# How long an example takes says nothing about the code: the machine may be busy.
settings.register_profile("stormlift", deadline=None)
settings.load_profile("stormlift")
SEED = "STORMLIFT_CRASH_SEED"


def pytest_configure() -> None:
    """Before xdist starts its workers, so that all of them have the same."""
    os.environ.setdefault(SEED, str(random.randrange(1_000_000)))


def pytest_report_header() -> str:
    """The seed of the crash cells, whether they fail or not."""
    return f"{SEED}={os.environ[SEED]}"
