"""How the client prints: JSON with sorted keys and without empty fields, or a table."""

import json
from collections.abc import Iterable, Sequence
from typing import Any


def as_json(found: Any) -> str:
    """JSON as `st2 -j` prints it."""
    return json.dumps(found, indent=4, sort_keys=True)


def pick(item: dict[str, Any], attributes: Sequence[str]) -> dict[str, Any]:
    """The attributes that are shown; one without a value is left out."""
    return {name: item[name] for name in attributes if item.get(name) is not None}


def many(items: Iterable[dict[str, Any]], attributes: Sequence[str], *, use_json: bool) -> str:
    """A list of items."""
    rows = [pick(item, attributes) for item in items]
    if use_json:
        return as_json(rows) if rows else "[]"
    if not rows:
        return "No matching items found"
    return table(attributes, [[row.get(name, "") for name in attributes] for row in rows])


def one(item: dict[str, Any], attributes: Sequence[str], *, use_json: bool) -> str:
    """One item, as JSON or as a table of its properties."""
    row = pick(item, attributes)
    return as_json(row) if use_json else table(("Property", "Value"), [[name, row[name]] for name in row])


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """A table with a frame, as PrettyTable draws it."""
    cells = [[str(cell) for cell in row] for row in [header, *rows]]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    line = "+" + "+".join("-" * (width + 2) for width in widths) + "+"
    padded = [[f" {cell:<{width}} " for cell, width in zip(row, widths, strict=True)] for row in cells]
    drawn = [f"|{'|'.join(row)}|" for row in padded]
    return "\n".join([line, drawn[0], line, *drawn[1:], line])
