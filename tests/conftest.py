"""What is drawn anew for every session, and how to draw the same again."""

import os
import random

SEED = "STORMLIFT_CRASH_SEED"


def pytest_configure() -> None:
    """Before xdist starts its workers, so that all of them have the same."""
    os.environ.setdefault(SEED, str(random.randrange(1_000_000)))


def pytest_report_header() -> str:
    """The seed of the crash cells, whether they fail or not."""
    return f"{SEED}={os.environ[SEED]}"
