"""The one door to the Docker engine: runs docker and compose, and turns their failures into a sentence."""

import os
import subprocess
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path

from rollout.errors import StormliftError

LAB = Path(__file__).resolve().parent
COMPOSE_FILE = LAB / "compose.yml"
Result = subprocess.CompletedProcess[str]


class LabError(StormliftError):
    """The lab cannot be built or started, or a command in one of its hosts failed."""


def run(
    argv: tuple[str, ...],
    *,
    stdin: str | None = None,
    check: bool = True,
    timeout: float | None = None,
    env: Mapping[str, str] | None = None,
) -> Result:
    """Run a command on this machine; with `check` a failure is a LabError that ends with what the command said last."""
    source = {"input": stdin} if stdin is not None else {"stdin": subprocess.DEVNULL}
    try:
        result = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=timeout, check=False,
            env={**os.environ, **(env or {})}, **source,
        )  # fmt: skip
    except FileNotFoundError as error:
        raise LabError(f"lab: {argv[0]} is not installed", "lab/engine.sh up") from error
    except subprocess.TimeoutExpired as error:
        raise LabError(f"lab: {' '.join(argv[:6])} took longer than {timeout:.0f} s") from error
    if check and result.returncode:
        said = (result.stderr.strip() or result.stdout.strip()).splitlines()[-15:]
        raise LabError("\n".join([f"lab: {' '.join(argv[:8])} ended with {result.returncode}", *said]))
    return result


def docker(*argv: str, stdin: str | None = None, check: bool = True, timeout: float | None = None) -> Result:
    """Run a docker command."""
    return run(("docker", *argv), stdin=stdin, check=check, timeout=timeout)


@cache
def compose_command() -> tuple[str, ...]:
    """Compose v2 where the client has it, else docker-compose 1.29."""
    v2 = run(("docker", "compose", "version"), check=False)
    return ("docker", "compose") if v2.returncode == 0 else ("docker-compose",)


def compose(project: str, env: Mapping[str, str], *argv: str) -> Result:
    """Run a compose command on the lab's compose file for one project."""
    command = (*compose_command(), "--file", str(COMPOSE_FILE), "--project-name", project, *argv)
    return run(command, env=env, timeout=180)


def ensure_engine(say: Callable[[str], None]) -> str:
    """Run engine.sh up, passing on line by line what it installs; returns its last line."""
    argv = [str(LAB / "engine.sh"), "up"]
    said = [""]
    with subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as engine:
        for line in engine.stdout or ():
            said.append(line.strip())
            if "installing" in line:
                say(line.strip())
    if engine.returncode:
        raise LabError("\n".join(["lab: no Docker engine", *said[-20:]]), "lab/engine.sh up")
    return said[-1].removeprefix("engine: ")


def image_exists(image: str) -> bool:
    """Whether the engine has an image of this name."""
    return docker("image", "inspect", "--format", "{{.Id}}", image, check=False).returncode == 0


def image_label(image: str, label: str) -> str:
    """The value of an image's label; empty where the image or the label is missing."""
    found = docker("image", "inspect", "--format", f'{{{{index .Config.Labels "{label}"}}}}', image, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""
