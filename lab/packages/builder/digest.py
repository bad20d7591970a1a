"""One digest over everything that the packages are made of."""

import hashlib
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
INPUTS = ("build.py", "install-libs.sh", "requirements-mistral.txt", "builder", "payload", "seed")


def digest() -> str:
    """Hash the names, the modes and the contents of all inputs; what tools cache beside them does not count."""
    total = hashlib.sha256()
    for path in sorted(_inputs()):
        executable = "x" if path.stat().st_mode & 0o100 else "-"
        total.update(f"{path.relative_to(HERE)} {executable} {path.stat().st_size}\0".encode())
        total.update(path.read_bytes())
    return total.hexdigest()


def _inputs() -> list[Path]:
    found = []
    for name in INPUTS:
        path = HERE / name
        found += [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    return [p for p in found if not any(part.startswith((".", "__pycache__")) for part in p.relative_to(HERE).parts)]
