"""The tree of st2chatops: a bot that waits, its unit and its environment."""

from pathlib import Path

from . import scriptlets, units
from .model import Package, Target
from .releases import node
from .tree import PAYLOAD, render, write

HOME = "opt/stackstorm/chatops"
OURS = PAYLOAD / "st2chatops"


def make(target: Target, root: Path, _shared: Path) -> Package:
    """Make st2chatops in ROOT."""
    conffiles = []
    for name in ("st2chatops.env", "external-scripts.json"):
        write(root / HOME / name, render(OURS / name, {"VERSION": target.release.name}))
        conffiles.append(f"/{HOME}/{name}")
    write(root / HOME / "package.json", f'{{"name": "st2chatops", "version": "{target.release.name}"}}\n')
    write(root / HOME / "bin/hubot", (OURS / "hubot").read_text(), 0o755)
    write(root / target.unit_dir / "st2chatops.service", units.chatops_unit(target.env_dir))
    return Package(
        name="st2chatops",
        version=target.release.name,
        revision=target.release.st2chatops,
        summary="StackStorm ChatOps bundle",
        tree=root,
        conffiles=tuple(conffiles),
        scripts=scriptlets.st2chatops(target),
        depends=_depends(target),
    )


def _depends(target: Target) -> tuple[str, ...]:
    bounds = node(target.release.version)
    if bounds is None:
        return ()
    deb = target.family == "deb"
    first = f"nodejs (>= {bounds[0]})" if deb else f"nodejs >= {bounds[0]}"
    below = f"nodejs (<< {bounds[1]})" if deb else f"nodejs < {bounds[1]}"
    return (first, below) if bounds[1] else (first,)
