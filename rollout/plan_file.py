"""A plan as a file: what it holds, and when it is believed. Pure: text in and out."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rollout import codec, plan
from rollout.batches import Pace
from rollout.errors import PlanFileError
from rollout.moved import Grounds
from rollout.plan import Plan
from rollout.quote import shell

SCHEMA = "stormlift.plan-file/1"
FAMILY = "stormlift.plan"


@dataclass(frozen=True)
class Asked:
    """What the operator asked for: the words of --hosts, --to and every --waive, the pace, and why databases are not dumped."""

    hosts: str
    to: str
    pace: Pace
    waive: tuple[str, ...] = ()
    external: str = ""


@dataclass(frozen=True)
class PlanFile:
    """A plan with what was asked for and the facts that decided it, by host."""

    asked: Asked
    facts: dict[str, Grounds]
    plan: Plan

    def text(self, tool: str, mask: Callable[[str], str]) -> str:
        """The file: one JSON object, `plan --json` and more, sealed over everything that is in it; TOOL wrote it.

        Hooks are the operator's own, and findings quote hosts: MASK keeps secrets of theirs out. What is compared and run
        holds none, and stays as it is: a password may well be a word of it.
        """
        body = {**self.plan.to_json(), "schema": SCHEMA, "holds": self.plan.schema, "tool": tool}
        body |= {"asked": codec.encode(self.asked), "facts": self.facts}
        for where, key in (
            (body, "findings"),
            (body["rollout"], "hooks"),
            *((each, "reason") for each in body["skipped"]),
            *((each, quoted) for each in body["deployments"] for quoted in ("findings", "notes")),
        ):
            where[key] = masked(where[key], mask)
        return json.dumps({**body, "seal": codec.digest(body)}, indent=1) + "\n"

    def again(self, name: str) -> str:
        """The command that writes the file NAME anew."""
        usual, pace = codec.encode(Pace()), codec.encode(self.asked.pace)
        flags = [("hosts", self.asked.hosts), ("to", self.asked.to)]
        flags += [(key.removesuffix("_s").replace("_", "-"), pace[key]) for key in pace if pace[key] != usual[key]]
        flags += [("waive", each) for each in self.asked.waive]
        flags += [("backup", "external"), ("reason", self.asked.external)] if self.asked.external else []
        words = [word for flag, value in flags if value != "" for word in (f"--{flag}", str(value))]
        return shell(("invoke", "plan", *words, "--out", name))


def masked(value: Any, mask: Callable[[str], str]) -> Any:
    """VALUE as JSON takes it, each of its texts masked by itself: over the whole, one could run into the next."""
    if isinstance(value, str):
        return mask(value)
    if isinstance(value, dict):
        return {key: masked(item, mask) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, mask) for item in value]
    return value


def schema_of(text: str) -> str:
    """The schema that TEXT says it has; "" for what is none of stormlift's plans."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return ""
    schema = data.get("schema") if isinstance(data, dict) else None
    return schema if isinstance(schema, str) and schema.startswith(FAMILY) else ""


def read(name: str, text: str) -> PlanFile:
    """The plan in TEXT, the content of the file NAME. Raises PlanFileError."""
    new = "write it anew: invoke plan --hosts NAME --out FILE"
    schema = schema_of(text)
    if not schema:
        raise PlanFileError(f"{name} is no file of a plan, or is cut off", new)
    if schema == plan.SCHEMA:
        raise PlanFileError(f"{name} is what `plan --json` prints, without the facts that decided it", new)
    data: dict[str, Any] = json.loads(text)
    if schema != SCHEMA or data.get("holds") != plan.SCHEMA:
        tool = data.get("tool", "another stormlift")
        raise PlanFileError(f"{name} was written by {tool} as {schema}; this one reads {SCHEMA}", new)
    if data.pop("seal", None) != codec.digest(data):
        raise PlanFileError(f"{name} was changed after it was written, or is damaged: its seal does not fit", new)
    try:
        return _decoded(data)
    except codec.Malformed as error:
        raise PlanFileError(f"{name} cannot be read: {error}", new) from None


def _decoded(data: dict[str, Any]) -> PlanFile:
    own = {key: data.pop(key, None) for key in ("asked", "facts")}
    body = {key: value for key, value in data.items() if key not in ("holds", "tool")}
    held = Plan.from_json({**body, "schema": plan.SCHEMA})
    asked = codec.decode(Asked, own["asked"], "$.asked")
    return PlanFile(asked, codec.decode(dict[str, Grounds], own["facts"], "$.facts"), held)
