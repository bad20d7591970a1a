"""Make every package of every release, and the repository around them."""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import deb, enterprise, mistral, rpm, st2, st2chatops, st2web
from .model import Family, Package, Target
from .releases import RELEASES

Maker = Callable[[Target, Path, Path], Package]
MAKERS: tuple[Maker, ...] = (st2.make, st2web.make, st2chatops.make, mistral.make, enterprise.make)


def build(family: Family, wheels: Path, out: Path) -> int:
    """Fill OUT with the packages of FAMILY and their index; say how many there are."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="lab-packages-") as name:
        work = Path(name)
        jobs = []
        # Trees first, one after the other: they share the unpacked Mistral. Then the packing, side by side.
        for release in RELEASES:
            target = Target(release, family, wheels)
            for maker in MAKERS:
                root = work / f"{release.name}-{maker.__module__}"
                root.mkdir()
                jobs.append(maker(target, root, work))
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pack = deb.build if family == "deb" else rpm.build
            list(pool.map(lambda package: pack(package, out), jobs))
    (deb.index if family == "deb" else rpm.index)(out)
    return len(jobs)
