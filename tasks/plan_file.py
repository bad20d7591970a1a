"""The file of a plan on the controller: where it may lie, how it is written and read."""

import os
from collections.abc import Sequence
from pathlib import Path

from rollout.errors import PlanFileError
from rollout.moved import grounds
from rollout.plan import Plan
from rollout.plan_file import Asked, PlanFile, read, schema_of
from tasks.edge import VERSION, Desk
from tasks.work import Work

OUT_HELP = "also write the plan to this file, for `invoke upgrade --plan FILE`"


def file_of(works: Sequence[Work], planned: Plan, asked: Asked) -> PlanFile:
    """The file of PLANNED, with the facts that decided it."""
    return PlanFile(asked, {name: grounds(each) for work in works for name, each in work.facts.items()}, planned)


def place_of(out: str) -> Path | None:
    """Where --out is to be written, None where it was not given. Raises PlanFileError, before any host is asked."""
    if not out:
        return None
    elsewhere = "name another place with --out"
    try:
        place = Path(out).resolve()
        if not place.parent.is_dir():
            raise PlanFileError(f"{out} cannot be written: there is no directory {place.parent}", elsewhere)
        if place.exists() and not (place.is_file() and schema_of(place.read_text(errors="replace"))):
            raise PlanFileError(f"{out} is there, and is no file of a plan: it is left as it is", elsewhere)
    except (OSError, RuntimeError, ValueError) as error:
        raise PlanFileError(f"{out} cannot be written: {getattr(error, 'strerror', error)}", elsewhere) from None
    return place


def write(sitting: Desk, place: Path, file: PlanFile) -> None:
    """Write FILE to PLACE, whole or not at all, for its owner alone. Raises PlanFileError."""
    text = file.text(f"stormlift {VERSION}", sitting.mask)
    part = place.with_name(f".{place.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        part.replace(place)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise PlanFileError(
            f"{place} cannot be written: {error.strerror}", "name another place with --out; nothing else was changed"
        ) from None
    sitting.say(f"the plan is in {place}; carry out just this: invoke upgrade --plan {place}")


def read_file(name: str) -> PlanFile:
    """The plan in the file NAME. Raises PlanFileError."""
    try:
        text = Path(name).read_text()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise PlanFileError(f"{name} cannot be read: {why}", "write it: invoke plan --hosts NAME --out FILE") from None
    return read(name, text)
