"""What lies unsettled beside the operator's configuration: what hosts said, as one object and as a text. Pure.

The diffs are made, and their secrets masked, on the host (remote/onhost/config_text.py): no file travels.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from rollout.errors import StepFailed
from rollout.model import Deployment

SCHEMA = "stormlift.config-diff/1"
_VERDICTS = ("same", "nothing-new", "new", "conflict", "no-base", "not-shown", "alone")


def read(host: str, said: str, mask: Callable[[str], str]) -> list[dict[str, Any]]:
    """The files that HOST told of, a line of JSON each. Raises StepFailed when they cannot be understood.

    MASK takes out what only the desk knows to be secret: here, as JSON would write it so that it is not found.
    """
    try:
        found = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
        if all(each["verdict"] in _VERDICTS and isinstance(each["text"], list) for each in found):
            return [{**each, "text": [mask(line) for line in each["text"]]} for each in found]
    except (ValueError, KeyError, TypeError):
        pass
    raise StepFailed(f"{host}: what it said of its configuration cannot be understood", host=host)


def report(
    deployments: Iterable[Deployment], said: Mapping[str, str], mask: Callable[[str], str] = str
) -> dict[str, Any]:
    """What `config.diff --json` prints; SAID is what each host that was asked said."""
    return {
        "schema": SCHEMA,
        "hosts": [
            {"name": host.name, "deployment": each.name, "files": read(host.name, said[host.name], mask)}
            for each in deployments
            for host in each.hosts
            if host.name in said
        ],
    }


def text(data: Mapping[str, Any]) -> str:
    """The same for a person: host after host, file after file."""
    return "\n\n".join(_host(row) for row in data["hosts"])


def _host(row: Mapping[str, Any]) -> str:
    if not row["files"]:
        return f"{row['name']}: nothing lies unsettled beside its configuration"
    removable = [each["beside"] for each in row["files"] if each["verdict"] in ("same", "nothing-new")]
    parts = ["\n".join(f"  {line}".rstrip() for line in each["text"]) for each in row["files"]]
    parts += [f"  nothing new is in these: rm {' '.join(removable)}"] if removable else []
    return f"{row['name']}:\n" + "\n\n".join(parts)
