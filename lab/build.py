"""Build the lab's images, each one only when something that goes into it has changed."""

import fcntl
import hashlib
import os
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from lab.docker import LAB, docker, ensure_engine, image_label, run

CACHE = LAB / "cache"
DIGEST_LABEL = "stormlift.digest"
BASE = "stormlift-lab/base:bookworm"
REPO = "stormlift-lab/repo:current"
FAMILY_IMAGES = {"apt": "stormlift-lab/apt:current", "yum": "stormlift-lab/yum:current"}
# Where a registry is in reach these name real images, such as ubuntu:22.04 and rockylinux:9.
BASE_VARIABLES = {"apt": "LAB_APT_BASE", "yum": "LAB_YUM_BASE", "repo": "LAB_REPO_BASE"}

Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    """The usual place for what the build says about itself."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Images:
    """What `build` leaves: digests that change when the content of an image does."""

    apt: str
    yum: str
    repo: str

    @property
    def digest(self) -> str:
        """One digest of all images, for what is made from them."""
        return digest_of(self.apt, self.yum, self.repo)


def digest_of(*parts: str) -> str:
    """A short digest of some texts."""
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def tree_digest(*paths: Path) -> str:
    """A short digest of files and folders: names, contents and execute bits."""
    state = hashlib.sha256()
    for path in paths:
        files = sorted(f for f in path.rglob("*") if f.is_file()) if path.is_dir() else [path]
        for file in files:
            if "__pycache__" in file.parts:
                continue
            state.update(f"{file.relative_to(LAB)}\0{os.access(file, os.X_OK)}\0".encode())
            state.update(hashlib.sha256(file.read_bytes()).digest())
    return state.hexdigest()[:16]


@contextmanager
def locked(folder: Path, name: str = "lock") -> Iterator[None]:
    """Hold a lock file: a second build or fleet on the same folder waits for the first."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / name).open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def build(say: Say = to_stderr) -> Images:
    """Engine, base, wheels, packages and host images; says one line a stage with its seconds."""
    with locked(CACHE):
        _stage(say, "engine", lambda: Made(ensure_engine(say), ""))
        bases = {family: os.environ.get(variable, BASE) for family, variable in BASE_VARIABLES.items()}
        with ThreadPoolExecutor() as pool:
            # What does not build on each other is made at once: the base takes a minute, the wheels half of one.
            based = pool.submit(
                _stage, say, "base image", _base if BASE in bases.values() else lambda: Made("not used", "")
            )
            wheels = pool.submit(_stage, say, "wheels", _wheels).result()
            based.result()
            packages = pool.submit(_stage, say, "packages and their repositories", lambda: _repo(bases["repo"], wheels))
            apt = _stage(say, "apt image", lambda: _family("apt", bases["apt"], wheels))
            yum = _stage(say, "yum image", lambda: _family("yum", bases["yum"], wheels))
            repo = packages.result()
    return Images(apt=apt, yum=yum, repo=repo)


class Made(NamedTuple):
    """What a stage says about itself, and the digest that changes when its result does."""

    said: str
    digest: str


def _stage(say: Say, name: str, work: Callable[[], Made]) -> str:
    started = time.monotonic()
    made = work()
    say(f"lab: {name}: {made.said} ({time.monotonic() - started:.1f} s)")
    return made.digest


def _base_digest(base: str) -> str:
    if base == BASE:
        return tree_digest(LAB / "images" / "base.sh")
    return docker("image", "inspect", "--format", "{{.Id}}", base, check=False).stdout.strip() or base


def _base() -> Made:
    digest = _base_digest(BASE)
    if image_label(BASE, DIGEST_LABEL) == digest:
        return Made("unchanged", digest)
    run((str(LAB / "images" / "base.sh"), BASE, digest))
    return Made("made from Debian's packages", digest)


def _packages_program(*argv: str) -> str:
    return run((sys.executable, str(LAB / "packages" / "build.py"), *argv)).stdout.strip()


def _wheels() -> Made:
    said = _packages_program("wheels", str(CACHE / "wheels"))  # leaves a complete folder as it is
    return Made(said.splitlines()[-1].split(" in ")[0].removeprefix("wheels: "), tree_digest(CACHE / "wheels"))


def _family(family: str, base: str, wheels: str) -> Made:
    recipe = LAB / "images" / f"Dockerfile.{family}"
    inputs = tree_digest(recipe, LAB / "images" / "host", LAB / "packages" / "install-libs.sh")
    return _image(FAMILY_IMAGES[family], f"Dockerfile.{family}", base, digest_of(_base_digest(base), wheels, inputs))


def _repo(base: str, wheels: str) -> Made:
    inputs = tree_digest(LAB / "images" / "Dockerfile.repo")
    content = _packages_program("digest")
    return _image(REPO, "Dockerfile.repo", base, digest_of(_base_digest(base), wheels, inputs, content))


def _image(tag: str, dockerfile: str, base: str, digest: str) -> Made:
    if image_label(tag, DIGEST_LABEL) == digest:
        return Made("unchanged", digest)
    labels = ("--label", "stormlift.lab=1", "--label", f"{DIGEST_LABEL}={digest}")
    recipe = ("--file", str(LAB / "images" / dockerfile), "--build-arg", f"BASE_IMAGE={base}")
    older = docker("image", "inspect", "--format", "{{.Id}}", tag, check=False).stdout.strip()
    docker("build", "--tag", tag, *recipe, *labels, str(LAB))
    if older:
        # Some hundred megabytes; refused while something is made from it. The stages before it stay, as build cache.
        docker("rmi", older, check=False)
    return Made("made", digest)
