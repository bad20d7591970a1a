"""What operators get from other people's repositories: Node.js by its major release, and Python 3.6 for xenial and el7.

A program only says its version. Names and versions: NodeSource's node_N.x, the PPA deadsnakes, the optional repository of el7.
"""

from dataclasses import dataclass
from pathlib import Path

from .model import Family, Package
from .tree import write


@dataclass(frozen=True)
class Program:
    """One package of such a repository; `deb` and `rpm` are its names there."""

    deb: str
    rpm: str
    version: str
    path: str
    says: str


def _node(version: str) -> tuple[Program, ...]:
    return (Program("nodejs", "nodejs", version, "usr/bin/node", f"v{version}"),)


REPOSITORIES: dict[str, tuple[Program, ...]] = {
    "node6": _node("6.17.1"),
    "node10": _node("10.24.1"),
    "node14": _node("14.21.3"),
    "node20": _node("20.20.0"),
    "python36": (Program("python3.6", "python3-devel", "3.6.15", "usr/bin/python3.6-config", "3.6.15"),),
}


def make(program: Program, family: Family, work: Path) -> Package:
    """Make the package of PROGRAM in a folder of WORK."""
    root = work / f"{program.deb}-{program.version}"
    write(root / program.path, f"#!/bin/sh\necho {program.says}\n", 0o755)
    return Package(
        name=program.deb if family == "deb" else program.rpm,
        version=program.version,
        revision=1,
        summary=program.path.rpartition("/")[2],
        tree=root,
    )
