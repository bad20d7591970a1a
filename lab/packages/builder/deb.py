"""Write .deb files, and the index that makes their folder an apt repository."""

import gzip
import hashlib
import subprocess
from datetime import datetime, timezone
from pathlib import Path

from .model import Package
from .tree import write


def build(package: Package, out: Path) -> Path:
    """Write PACKAGE into OUT with the real dpkg-deb."""
    version = f"{package.version}-{package.revision}"
    control = [
        f"Package: {package.name}",
        f"Version: {version}",
        "Section: misc",
        "Priority: optional",
        "Architecture: all",
        "Maintainer: the stormlift lab <lab@localhost>",
        *([f"Depends: {', '.join(package.depends)}"] if package.depends else []),
        f"Description: {package.summary} (stand-in of the stormlift lab)",
    ]
    folder = package.tree / "DEBIAN"
    write(folder / "control", "\n".join(control) + "\n")
    if package.conffiles:
        write(folder / "conffiles", "\n".join(package.conffiles) + "\n")
    for name, text in package.scripts.items():
        write(folder / name, f"#!/bin/sh\n{text}", 0o755)
    path = out / f"{package.name}_{version}_all.deb"
    command = ["dpkg-deb", "--root-owner-group", "-Zgzip", "-z1", "--build", str(package.tree), str(path)]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return path


def index(out: Path) -> None:
    """Write Packages, Packages.gz and Release for the .deb files in OUT."""
    entries = [_entry(path) for path in sorted(out.glob("*.deb"))]
    packages = "\n".join(entries).encode()
    (out / "Packages").write_bytes(packages)
    (out / "Packages.gz").write_bytes(gzip.compress(packages, 1, mtime=0))
    lines = ["Origin: stormlift-lab", "Label: stormlift-lab", "Suite: stable", "Codename: lab", "Architectures: all"]
    lines.append(f"Date: {datetime.now(timezone.utc):%a, %d %b %Y %H:%M:%S} UTC")
    lines.append("SHA256:")
    for name in ("Packages", "Packages.gz"):
        data = (out / name).read_bytes()
        lines.append(f" {hashlib.sha256(data).hexdigest()} {len(data)} {name}")
    (out / "Release").write_text("\n".join(lines) + "\n")


def _entry(path: Path) -> str:
    control = subprocess.run(["dpkg-deb", "--field", str(path)], check=True, capture_output=True, text=True).stdout
    data = path.read_bytes()
    sums = f"MD5sum: {hashlib.md5(data).hexdigest()}\nSHA256: {hashlib.sha256(data).hexdigest()}"
    return f"{control.rstrip()}\nFilename: ./{path.name}\nSize: {len(data)}\n{sums}\n"
