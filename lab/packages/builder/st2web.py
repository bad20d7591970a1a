"""The tree of st2web: static files, and the one an administrator edits."""

from pathlib import Path

from .model import Package, Target
from .tree import PAYLOAD, render, write

HOME = "opt/stackstorm/static/webui"
CONFIG = f"/{HOME}/config.js"


def make(target: Target, root: Path, _shared: Path) -> Package:
    """Make st2web in ROOT. Its config.js is a conffile of the deb, and is overwritten by the rpm."""
    values = {"VERSION": target.release.name}
    for name in ("config.js", "index.html"):
        write(root / HOME / name, render(PAYLOAD / "st2web" / name, values))
    return Package(
        name="st2web",
        version=target.release.name,
        revision=target.release.st2web,
        summary="StackStorm web interface",
        tree=root,
        conffiles=(CONFIG,) if target.family == "deb" else (),
    )
