"""Make every package of every release, and the repository around them."""

import os
import shutil
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import companions, deb, enterprise, mistral, rpm, st2, st2chatops, st2web
from .model import Family, Package, Target
from .releases import RELEASES, Release

Maker = Callable[[Target, Path, Path], Package]
MAKERS: tuple[Maker, ...] = (st2.make, st2web.make, st2chatops.make, mistral.make, enterprise.make)
ENDED: tuple[Maker, ...] = (mistral.make, enterprise.make)  # with 3.2


def build(family: Family, wheels: Path, out: Path) -> int:
    """Fill OUT with the packages of FAMILY and their index, and beside it a folder for each of other people's
    repositories, named OUT-NAME; say how many packages there are."""
    places = {"": out, **{name: out.with_name(f"{out.name}-{name}") for name in companions.REPOSITORIES}}
    for place in places.values():
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir(parents=True)
    with tempfile.TemporaryDirectory(prefix="lab-packages-") as name:
        work = Path(name)
        jobs: list[tuple[Package, Path]] = []
        # Trees first, one after the other: they share the unpacked Mistral. Then the packing, side by side.
        for release in RELEASES:
            target = Target(release, family, wheels)
            for maker in _makers(release):
                root = work / f"{release.name}-{maker.__module__}"
                root.mkdir()
                jobs.append((maker(target, root, work), out))
        for repository, programs in companions.REPOSITORIES.items():
            jobs += [(companions.make(program, family, work), places[repository]) for program in programs]
        with ThreadPoolExecutor(os.cpu_count()) as pool:
            pack = deb.build if family == "deb" else rpm.build
            list(pool.map(lambda job: pack(*job), jobs))
    for place in places.values():
        (deb.index if family == "deb" else rpm.index)(place)
    return len(jobs)


def _makers(release: Release) -> tuple[Maker, ...]:
    return MAKERS if release.mistral else tuple(maker for maker in MAKERS if maker not in ENDED)
