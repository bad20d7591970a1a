"""Small moves that every package tree is made of."""

import compileall
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

PAYLOAD = Path(__file__).resolve().parent.parent / "payload"
SITE = "lib/python3.11/site-packages"
LIBRARIES = "/opt/lab/mistral-libs"


def write(path: Path, text: str, mode: int = 0o644) -> None:
    """Write TEXT to PATH, its folders included."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)


def render(source: Path, values: Mapping[str, str]) -> str:
    """Read SOURCE and put each of VALUES in the place of its @NAME@."""
    text = source.read_text()
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text


def copy_folder(source: Path, target: Path) -> None:
    """Copy a folder of the payload without what Python, a linter or an editor left in it."""
    ignore = shutil.ignore_patterns("__pycache__", ".*", "*~")
    shutil.copytree(source, target, dirs_exist_ok=True, ignore=ignore)


def make_venv(root: Path, extra_pth: tuple[str, ...] = ()) -> Path:
    """Lay out a virtualenv of the host's Python 3.11 at ROOT, and return its site-packages."""
    write(root / "pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\nversion = 3.11.2\n")
    (root / "bin").mkdir(parents=True, exist_ok=True)
    for name, points_to in (("python3.11", "/usr/bin/python3.11"), ("python3", "python3.11"), ("python", "python3.11")):
        (root / "bin" / name).symlink_to(points_to)
    # A deliberate difference to the real packages: the libraries stand in the host image, once for all releases.
    write(root / SITE / "_lab.pth", "\n".join([LIBRARIES, *extra_pth]) + "\n")
    return root / SITE


def console_script(path: Path, python: str, module: str, function: str) -> None:
    """Write the script that an entry point of setuptools would become."""
    text = f"#!{python}\nimport sys\n\nfrom {module} import {function}\n\nsys.exit({function}())\n"
    write(path, text, 0o755)


def compile_python(folder: Path, installed_as: str) -> None:
    """Ship byte code, as the real packages do: hosts that boot all at once have no time to compile."""
    if sys.version_info[:2] != (3, 11):
        raise SystemExit("packages are built with Python 3.11: byte code of another version is useless on the hosts")
    compileall.compile_dir(folder, quiet=2, stripdir=str(folder), prependdir=installed_as, workers=1)
