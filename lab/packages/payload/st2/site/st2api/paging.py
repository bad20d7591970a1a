"""limit and offset of a listing, and the headers that tell how much there is."""

from collections.abc import Sequence
from typing import Any

from st2common import traits
from st2lab.serve import Abort, Request, Response

ALL = -1


def page(request: Request, items: Sequence[Any], *, default: int | None = None, maximum: int | None = None) -> Response:
    """The part of ITEMS that was asked for (st2api/st2api/controllers/resource.py)."""
    offset = int(request.query.get("offset") or 0)
    asked = request.query.get("limit")
    limit = int(asked) if asked else default
    if limit == ALL and traits.LIMIT_OF_ALL:
        limit = None
    if limit is not None and limit < 0:
        raise Abort(400, f'Limit, "{asked}" specified, must be a positive number.')
    if asked and limit is not None and maximum is not None and limit > maximum:
        raise Abort(400, f'Limit "{asked}" specified, maximum value is "{maximum}"')
    end = None if limit is None else offset + limit
    headers = {"X-Total-Count": str(len(items))}
    if limit is not None:
        headers["X-Limit"] = str(limit)
    return Response(200, list(items[offset:end]), headers)


def page_of_keys(request: Request, items: Sequence[Any]) -> Response:
    """The same for keys and API keys, of which releases without a limit tell no number either."""
    found = page(request, items, default=traits.KEYS_DEFAULT_LIMIT, maximum=traits.KEYS_MAXIMUM_LIMIT)
    return found if traits.KEYS_DEFAULT_LIMIT else Response(found.status, found.body)
