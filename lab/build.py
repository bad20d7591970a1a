"""Build the lab's images. Each is named after a digest of what goes into it, so that nothing is made twice."""

import os
import platform
import re
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from lab.digest import digest_of, locked, tree_digest
from lab.docker import LAB, docker, ensure_engine, image_exists, run

CACHE = LAB / "cache"
KEPT = 3  # versions of an image; older ones go when a new one has been made
# Where a registry is in reach these name real images, such as ubuntu:22.04 and rockylinux:9.
BASE_VARIABLES = {"apt": "LAB_APT_BASE", "yum": "LAB_YUM_BASE", "sysv": "LAB_SYSV_BASE", "repo": "LAB_REPO_BASE"}
BROKER_BASE_VARIABLE = "LAB_BROKER_BASE"  # such as debian:bookworm-slim

Say = Callable[[str], None]


def to_stderr(line: str) -> None:
    """The usual place for what the build says about itself."""
    print(line, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class Images:
    """The names of the images; each is another one as soon as something that goes into it has changed."""

    base: str
    apt: str
    yum: str
    sysv: str
    repo: str

    def of_family(self, family: str) -> str:
        """The image that a host starts from before it is prepared; a database host is one of the apt family."""
        return {"yum": self.yum, "sysv": self.sysv}.get(family, self.apt)


def build(say: Say = to_stderr) -> Images:
    """Engine, base, wheels, packages and host images; says one line a stage with its seconds."""
    with locked("build"):
        _stage(say, "engine", lambda: ensure_engine(say))
        images = _planned()
        if all(image_exists(image) for image in (images.apt, images.yum, images.sysv, images.repo)):
            say("lab: images and packages: unchanged")
            return images
        with ThreadPoolExecutor() as pool:
            # What does not build on each other is made at once: the base takes a minute, the wheels half of one.
            wheels = pool.submit(_stage, say, "wheels", _wheels)
            _stage(say, "base image", lambda: _base(images.base))
            wheels.result()
            repo = pool.submit(_stage, say, "packages and their repositories", lambda: _image("repo", images))
            _stage(say, "sysv image", lambda: _image("sysv", images))
            _stage(say, "apt image", lambda: _image("apt", images))
            _stage(say, "yum image", lambda: _image("yum", images))
            repo.result()
        for name in (images.base, images.apt, images.yum, images.sysv, images.repo):
            forget_older(name)
    return images


def build_broker(say: Say = to_stderr) -> str:
    """The image of a RabbitMQ, which is no part of the fleet: made when somebody asks for it."""
    with locked("build"):
        base = os.environ.get(BROKER_BASE_VARIABLE, _planned().base)
        tag = f"stormlift-lab/broker:{digest_of(base, tree_digest('images/Dockerfile.broker'))}"
        if not image_exists(tag):
            _stage(say, "broker image", lambda: _docker_build("broker", tag, base))
            forget_older(tag)
    return tag


def forget_older(image: str) -> None:
    """Remove all but the newest few of an image's versions; one that a container was made from stays."""
    name, _, tag = image.partition(":")
    series = re.compile(re.escape(tag[:-16]) + "[0-9a-f]{16}")
    tags = docker("images", "--format", "{{.Tag}}", name).stdout.split()  # newest first
    for old in [tag for tag in tags if series.fullmatch(tag)][KEPT:]:
        docker("rmi", f"{name}:{old}", check=False)


def _planned() -> Images:
    base = f"stormlift-lab/base:{tree_digest('images/base.sh')}"
    bases = {family: os.environ.get(variable, base) for family, variable in BASE_VARIABLES.items()}
    wheels = tree_digest("packages/requirements-mistral.txt", "packages/builder/wheels.py") + platform.machine()

    def image(name: str, *inputs: str) -> str:
        return f"stormlift-lab/{name}:{digest_of(bases[name], wheels, *inputs)}"

    return Images(
        base=base,
        apt=image("apt", tree_digest("images/Dockerfile.apt", "images/host", "packages/install-libs.sh")),
        yum=image("yum", tree_digest("images/Dockerfile.yum", "images/host", "packages/install-libs.sh")),
        sysv=image("sysv", tree_digest("images/Dockerfile.sysv", "images/host")),
        repo=image(
            "repo", tree_digest("images/Dockerfile.repo", "images/serve_packages.py"), _packages_program("digest")
        ),
    )


def _stage(say: Say, name: str, work: Callable[[], str]) -> None:
    started = time.monotonic()
    said = work()
    say(f"lab: {name}: {said} ({time.monotonic() - started:.1f} s)")


def _packages_program(*argv: str) -> str:
    return run((sys.executable, str(LAB / "packages" / "build.py"), *argv)).stdout.strip()


def _wheels() -> str:
    said = _packages_program("wheels", str(CACHE / "wheels"))  # leaves a complete folder as it is
    return said.splitlines()[-1].split(" in ")[0].removeprefix("wheels: ")


def _base(image: str) -> str:
    if all(variable in os.environ for variable in BASE_VARIABLES.values()):
        return "not needed"
    if image_exists(image):
        return "unchanged"
    run((str(LAB / "images" / "base.sh"), image))
    return "made from Debian's packages"


def _image(name: str, images: Images) -> str:
    tag = {"apt": images.apt, "yum": images.yum, "sysv": images.sysv, "repo": images.repo}[name]
    if image_exists(tag):
        return "unchanged"
    return _docker_build(name, tag, os.environ.get(BASE_VARIABLES[name], images.base))


def _docker_build(name: str, tag: str, base: str) -> str:
    recipe = ("--file", str(LAB / "images" / f"Dockerfile.{name}"), "--build-arg", f"BASE_IMAGE={base}")
    docker("build", "--tag", tag, "--label", "stormlift.lab=1", *recipe, str(LAB))
    return "made"
