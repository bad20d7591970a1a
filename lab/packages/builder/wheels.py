"""Collect the wheels of Mistral and its pinned libraries for the CPython 3.11 of Debian bookworm.

The controller's own pip fetches them, so that its index and its certificates count; its own Python version does not.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

PYTHON = "3.11"
MISTRAL = ("2.0.0", "4.0.0")
# Published as source only; pure Python, so that any interpreter builds the wheel that 3.11 can use.
SOURCE_ONLY = ("logutils", "pyinotify", "simplegeneric", "Tempita")
# What builds them. Newer setuptools drop what these sources of 2012 to 2017 still import.
BUILD_PINS = ("setuptools==80.9.0", "wheel==0.45.1", "pbr==7.1.3")
GLIBC = (17, 28, 31, 34)  # the manylinux levels that wheels are published for, up to the 2.36 of bookworm

PINS = Path(__file__).resolve().parent.parent / "requirements-mistral.txt"


def collect(target: Path) -> None:
    """Fill TARGET with every wheel; a folder already filled for the same pins and machine is left alone."""
    stamp = target / ".complete"
    if stamp.exists() and stamp.read_text() == _key():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".wheels-") as name:
        fresh = Path(name)
        with ThreadPoolExecutor() as pool:
            for job in [pool.submit(_fetch_binaries, fresh), *_source_builds(pool, fresh)]:
                job.result()
        (fresh / ".complete").write_text(_key())
        shutil.rmtree(target, ignore_errors=True)
        fresh.chmod(0o755)
        fresh.rename(target)
        fresh.mkdir()


def _key() -> str:
    text = PINS.read_text() + Path(__file__).read_text() + platform.machine()
    return hashlib.sha256(text.encode()).hexdigest()


def _pins(*, source: bool) -> list[str]:
    lines = [line.strip() for line in PINS.read_text().splitlines()]
    pins = [line for line in lines if line and not line.startswith("#")]
    return [pin for pin in pins if (pin.split("==")[0] in SOURCE_ONLY) == source]


def _fetch_binaries(target: Path) -> None:
    machine = platform.machine()
    platforms = [f"--platform=manylinux_2_{minor}_{machine}" for minor in GLIBC]
    _pip(
        "download", "--no-deps", "--only-binary=:all:", f"--dest={target}", f"--python-version={PYTHON}",
        "--implementation=cp", "--abi=cp311", "--abi=abi3", "--abi=none",
        *platforms, f"--platform=manylinux2014_{machine}", *_pins(source=False),
    )  # fmt: skip


def _source_builds(pool: ThreadPoolExecutor, target: Path) -> list[Future[None]]:
    # One run each: pip takes one version of a project at a time.
    runs = [_pins(source=True), *([f"mistral=={version}"] for version in MISTRAL)]
    return [pool.submit(_build_sources, target, pins) for pins in runs]


def _build_sources(target: Path, pins: list[str]) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as constraints:
        constraints.write("\n".join(BUILD_PINS) + "\n")
        constraints.flush()
        # Older pips read the first name for what builds a wheel, newer ones the second.
        pinned = {"PIP_CONSTRAINT": constraints.name, "PIP_BUILD_CONSTRAINT": constraints.name}
        _pip("wheel", "--no-deps", "--use-pep517", f"--wheel-dir={target}", *pins, env=pinned)


def _pip(*argv: str, env: dict[str, str] | None = None) -> None:
    python = _python_with_pip()
    done = subprocess.run(
        [python, "-m", "pip", *argv], env={**os.environ, **(env or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"wheels: pip {argv[0]} failed\n{done.stdout[-2000:]}{done.stderr[-4000:]}")


def _python_with_pip() -> str:
    project = Path(__file__).resolve().parents[3] / ".venv" / "bin" / "python"
    for python in (sys.executable, str(project)):
        if (
            shutil.which(python)
            and not subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode
        ):
            return python
    raise SystemExit("wheels: no pip; install python3-pip or make the project's virtualenv first")
