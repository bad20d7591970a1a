"""What a thing is made from, as a short text; and a lock for those who make it."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lab.docker import LAB

# Shared by all checkouts on this machine, as the engine and its images are.
LOCKS = Path(tempfile.gettempdir()) / f"stormlift-{os.getuid()}"


def digest_of(*parts: str) -> str:
    """A short digest of some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def tree_digest(*names: str) -> str:
    """A short digest of files and folders below lab/: names, contents and execute bits."""
    state = hashlib.sha256()
    for path in (LAB / name for name in names):
        files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" in file.parts:
                continue
            state.update(f"{file.relative_to(LAB)}\0{os.access(file, os.X_OK)}\0".encode())
            state.update(hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()[:16]


@contextmanager
def locked(name: str, folder: Path = LOCKS) -> Iterator[None]:
    """Hold a lock; whoever wants the same one waits."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
