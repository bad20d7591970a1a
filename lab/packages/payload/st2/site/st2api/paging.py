"""limit and offset of a listing, and the headers that tell how much there is."""

from collections.abc import Sequence
from typing import Any

from st2lab.serve import Abort, Request, Response


def page(request: Request, items: Sequence[Any], *, default: int | None = None, maximum: int | None = None) -> Response:
    """The part of ITEMS that was asked for (st2api/st2api/controllers/resource.py)."""
    offset = int(request.query.get("offset") or 0)
    asked = request.query.get("limit")
    limit = int(asked) if asked else default
    if asked and maximum is not None and int(asked) > maximum:
        raise Abort(400, f'Limit "{asked}" specified, maximum value is "{maximum}"')
    end = None if limit is None else offset + limit
    headers = {"X-Total-Count": str(len(items))}
    if limit is not None:
        headers["X-Limit"] = str(limit)
    return Response(200, list(items[offset:end]), headers)
