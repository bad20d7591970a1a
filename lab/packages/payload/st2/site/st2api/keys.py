"""/v1/keys: the datastore over HTTP (st2api/st2api/controllers/v1/keyvalue.py)."""

from collections.abc import Callable
from typing import Any, TypeVar

from st2common import traits
from st2common.constants.keyvalue import (
    ALLOWED_SCOPES,
    DEFAULT_SCOPE,
    USER_SCOPE,
    USER_SCOPES,
    USER_SEPARATOR,
    full_scope,
)
from st2common.exceptions.keyvalue import CryptoKeyNotSetupException
from st2common.models.api.keyvalue import KeyValuePairAPI, crypto_key
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.persistence.keyvalue import KeyValuePair
from st2lab.serve import Abort, Request, Response

from st2api.paging import page_of_keys

ALL_SCOPES = "all"
# What may stand in a body (the schema of KeyValuePairSetAPI, which takes nothing else).
TAKEN = {"id", "uid", "name", "description", "value", "expire_timestamp", "ttl"}
if traits.SCOPED_KEYS:
    TAKEN |= {"scope", "secret", "encrypted", "user"}
T = TypeVar("T")


def answer(request: Request, name: str) -> Response:
    """List, read, write or remove."""
    if not name and request.method == "GET":
        return _list(request)
    if request.method == "GET":
        return Response(200, _to_api(_find(request, name), _decrypt(request)))
    if request.method == "PUT" and name:
        return _put(request, name)
    if request.method == "DELETE" and name:
        _find(request, name).delete()
        return Response(204)
    raise Abort(405, "The method is not allowed for this resource.")


def _list(request: Request) -> Response:
    prefix = request.query.get("prefix", "")
    if not traits.SCOPED_KEYS:
        found = _named(prefix)
    elif traits.SCOPE_OF_ALL and request.query.get("scope") == ALL_SCOPES:
        found = _named(prefix, DEFAULT_SCOPE) + _named(_of_user(request, request.query, prefix), full_scope(USER_SCOPE))
    else:
        scope = _scope(request.query)
        found = _named(_of_user(request, request.query, prefix) if scope in USER_SCOPES else prefix, scope)
    # Only what is shown is decrypted.
    answered = page_of_keys(request, found)
    shown = [_to_api(item, _decrypt(request)) for item in answered.body]
    return Response(answered.status, shown, answered.headers)


def _named(prefix: str, scope: str = "") -> list[KeyValuePairDB]:
    filters: dict[str, Any] = {"scope": scope} if scope else {}
    if prefix:
        filters["name__startswith"] = prefix
    return sorted(KeyValuePair.query(**filters), key=lambda item: item.name)


def _put(request: Request, name: str) -> Response:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("value"), str):
        kind = type(body.get("value") if isinstance(body, dict) else body).__name__
        raise Abort(400, f"a value of {kind} is not of type 'string'")
    if odd := sorted(body.keys() - TAKEN):
        raise Abort(400, f"Additional properties are not allowed ('{odd[0]}' was unexpected)")
    fields = {**request.query, **{key: value for key, value in body.items() if value is not None}}
    given = {"name": _stored_name(request, fields, name), "value": body["value"]}
    if fields.get("ttl"):
        given["ttl"] = int(fields["ttl"])
    if traits.SCOPED_KEYS:
        given["scope"] = _scope(fields)
        given.update({key: bool(fields[key]) for key in ("secret", "encrypted") if key in fields})
    made = _or_400(lambda: KeyValuePairAPI.to_model(KeyValuePairAPI(**given)))
    there = KeyValuePair.get(**{key: given[key] for key in ("name", "scope") if key in given})
    made.id = there.id if there else None
    return Response(200, _to_api(KeyValuePair.add_or_update(made), decrypt=False))


def _find(request: Request, name: str) -> KeyValuePairDB:
    filters = {"name": _stored_name(request, request.query, name)}
    if traits.SCOPED_KEYS:
        filters["scope"] = _scope(request.query)
    found = KeyValuePair.get(**filters)
    if not found:
        raise Abort(404, f'Key with name "{name}" does not exist')
    return found


def _scope(fields: dict[str, Any]) -> str:
    asked = str(fields.get("scope") or DEFAULT_SCOPE)
    if asked not in ALLOWED_SCOPES:
        raise Abort(400, f'Scope "{asked}" is not in allowed scopes list: {list(ALLOWED_SCOPES)}.')
    return full_scope(asked)


def _of_user(request: Request, fields: dict[str, Any], name: str) -> str:
    if traits.OTHERS_REFUSED and fields.get("user", request.user) != request.user:
        raise Abort(403, '"user" attribute can only be provided by admins when RBAC is enabled')
    return f"{fields.get('user') or request.user}{USER_SEPARATOR}{name}"


def _stored_name(request: Request, fields: dict[str, Any], name: str) -> str:
    return _of_user(request, fields, name) if traits.SCOPED_KEYS and _scope(fields) in USER_SCOPES else name


def _decrypt(request: Request) -> bool:
    return request.query.get("decrypt", "").lower() == "true"


def _or_400(what: Callable[[], T]) -> T:
    try:
        return what()
    except (CryptoKeyNotSetupException, ValueError) as error:
        raise Abort(400, str(error)) from error


def _to_api(item: KeyValuePairDB, decrypt: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": item.id, "uid": item.get_uid(), "name": item.name, "value": item.value}
    if "expire_timestamp" in (stored := item.to_document()):
        shown["expire_timestamp"] = stored["expire_timestamp"]
    if not traits.SCOPED_KEYS:
        return shown
    encrypted = item.secret
    if item.secret and decrypt:
        shown["value"], encrypted = _or_400(lambda: crypto_key(item.name).decrypt(item.value)), False
    if item.scope in USER_SCOPES:
        shown["user"], _, shown["name"] = item.name.partition(USER_SEPARATOR)
    return {**shown, "scope": item.scope, "secret": item.secret, "encrypted": encrypted}
