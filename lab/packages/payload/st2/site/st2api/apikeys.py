"""/v1/apikeys (st2api/st2api/controllers/v1/auth.py)."""

import base64
import os
from datetime import datetime, timedelta, timezone
from typing import Any

from mongoengine.errors import NotUniqueError
from st2common.models.db.auth import ApiKeyDB, hashed
from st2lab.serve import Abort, Request, Response

from st2api.paging import page_of_keys

MASKED = "********"
ENTROPY = 64
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
# What may stand in a body, and its kind; a user and a hash may be null.
_TAKEN = {"user": str, "key_hash": str, "metadata": dict, "enabled": bool, "id": str, "uid": str, "created_at": str}


def answer(request: Request, id_: str) -> Response:
    """List, make, look at, change or remove."""
    if request.method == "POST" and not id_:
        return _post(request)
    if request.method == "GET":
        shown = request.query.get("show_secrets", "").lower() == "true"
        if id_:
            return Response(200, _to_api(_find(id_), shown=shown))
        found = ApiKeyDB.objects(user=request.query.get("user", ""))
        return page_of_keys(
            request, [_to_api(item, shown=shown) for item in sorted(found, key=lambda item: item.user or "")]
        )
    if request.method == "PUT" and id_:
        return _put(request, _find(id_))
    if request.method == "DELETE" and id_:
        _find(id_).delete()
        return Response(204)
    raise Abort(405, "The method is not allowed for this resource.")


def _post(request: Request) -> Response:
    body, key = _body(request), None
    key_hash = body.get("key_hash")
    if not key_hash:
        key = base64.b64encode(os.urandom(ENTROPY)).decode()
        key_hash = hashed(key)
    made = ApiKeyDB(
        user=body.get("user") or request.user,
        key_hash=key_hash,
        metadata=body.get("metadata") or {},
        enabled=body.get("enabled", True),
    )
    try:
        made.save()
    except NotUniqueError as error:
        raise Abort(409, str(error)) from error
    shown = _to_api(made, shown=True)
    del shown["key_hash"]
    # The key itself is in this answer and never again; whoever sent a hash has it already.
    return Response(201, {**shown, "key": key})


def _put(request: Request, there: ApiKeyDB) -> Response:
    body = _body(request)
    key_hash = body.get("key_hash")
    if key_hash and key_hash not in (MASKED, there.key_hash):
        raise Abort(400, "Update of key_hash is not allowed.")
    there.user = body.get("user") or request.user
    there.metadata = body.get("metadata") or {}
    there.enabled = body.get("enabled", True)
    return Response(200, _to_api(there.save(), shown=False))


def _body(request: Request) -> dict[str, Any]:
    if not isinstance(request.body, dict):
        raise Abort(400, f"{request.body!r} is not of type 'object'")
    for name, value in request.body.items():
        if name not in _TAKEN:
            raise Abort(400, f"Additional properties are not allowed ('{name}' was unexpected)")
        if not isinstance(value, _TAKEN[name]) and (value is not None or name == "enabled"):
            raise Abort(400, f"{value!r} is not of type '{_TAKEN[name].__name__}'")
    return request.body


def _find(id_or_key: str) -> ApiKeyDB:
    found = ApiKeyDB.objects(id=id_or_key) or ApiKeyDB.objects(key_hash=hashed(id_or_key))
    if not found:
        raise Abort(404, f"ApiKey matching {id_or_key} for reference and id not found.")
    return found[0]


def _to_api(item: ApiKeyDB, *, shown: bool) -> dict[str, Any]:
    return {
        "id": item.id,
        "uid": item.get_uid() if shown else MASKED,
        "user": item.user,
        "key_hash": item.key_hash if shown else MASKED,
        "metadata": item.metadata,
        "created_at": f"{_EPOCH + timedelta(microseconds=item.created_at):%Y-%m-%dT%H:%M:%S.%fZ}",
        "enabled": item.enabled,
    }
