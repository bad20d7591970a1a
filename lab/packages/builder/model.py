"""What a package is before it becomes a .deb or an .rpm: a tree of files, its conffiles and its maintainer scripts."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from .releases import Release

Family = Literal["deb", "rpm"]


@dataclass(frozen=True)
class Package:
    """One binary package; SCRIPTS maps deb or rpm scriptlet names (postinst, post, ...) to shell text."""

    name: str
    version: str
    revision: int
    summary: str
    tree: Path
    conffiles: tuple[str, ...] = ()
    scripts: dict[str, str] = field(default_factory=dict)
    depends: tuple[str, ...] = ()


@dataclass(frozen=True)
class Target:
    """For which release and family a tree is made, and from which wheels."""

    release: Release
    family: Family
    wheels: Path

    @property
    def unit_dir(self) -> str:
        """Where the family's packages put units."""
        return "lib/systemd/system" if self.family == "deb" else "usr/lib/systemd/system"

    @property
    def env_dir(self) -> str:
        """Where the family's units look for their EnvironmentFile."""
        return "/etc/default" if self.family == "deb" else "/etc/sysconfig"
