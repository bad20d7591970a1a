"""The tree of the licensed package: what is known of it is its name, its folder of wheels and that it wants st2."""

from pathlib import Path

from .model import Package, Target
from .tree import write

WHEEL = "st2_enterprise_auth_backend_ldap"


def make(target: Target, root: Path, _shared: Path) -> Package:
    """Make st2enterprise (to 1.6) or bwc-enterprise (from 2.0) in ROOT: a mark and the name of a wheel, for its
    contents are closed."""
    name = target.release.enterprise_name
    write(root / f"opt/stackstorm/enterprise/{name}.version", target.release.name + "\n")
    write(root / f"opt/stackstorm/share/wheels/{WHEEL}-{target.release.name}-py2-none-any.whl", "")
    return Package(
        name=name,
        version=target.release.name,
        revision=target.release.enterprise,
        summary="StackStorm enterprise features",
        tree=root,
        depends=("st2",),
    )
