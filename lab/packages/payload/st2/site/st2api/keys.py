"""/v1/keys: the datastore over HTTP (st2api/st2api/controllers/v1/keyvalue.py)."""

from datetime import datetime, timedelta, timezone
from typing import Any

from st2common import config, traits
from st2common.constants.keyvalue import ALLOWED_SCOPES, DEFAULT_SCOPE, USER_SCOPES, USER_SEPARATOR, full_scope
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.persistence.keyvalue import KeyValuePair
from st2common.util.crypto import CryptoKey
from st2lab.serve import Abort, Request, Response

from st2api.paging import page

# Who asks when nobody had to log in ([system_user] user).
SYSTEM_USER = "stanley"


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
    filters: dict[str, Any] = {}
    prefix = request.query.get("prefix", "")
    if traits.SCOPED_KEYS:
        filters["scope"] = _scope(request.query)
        if filters["scope"] in USER_SCOPES:
            prefix = f"{_user(request.query)}{USER_SEPARATOR}{prefix}"
    if prefix:
        filters["name__startswith"] = prefix
    found = sorted(KeyValuePair.query(**filters), key=lambda item: item.name)
    shown = [_to_api(item, _decrypt(request)) for item in found]
    return page(request, shown, default=traits.KEYS_DEFAULT_LIMIT, maximum=traits.KEYS_MAXIMUM_LIMIT)


def _put(request: Request, name: str) -> Response:
    body = request.body
    if not isinstance(body, dict) or not isinstance(body.get("value"), str):
        raise Abort(400, f"{body.get('value') if isinstance(body, dict) else body!r} is not of type 'string'")
    fields = {**request.query, **{key: value for key, value in body.items() if value is not None}}
    value, secret = body["value"], bool(fields.get("secret"))
    values: dict[str, Any] = {"name": _stored_name(fields, name)}
    if traits.SCOPED_KEYS:
        values.update(scope=_scope(fields), secret=secret)
        if secret:
            value = crypto_key().encrypt(value)
    if fields.get("ttl"):
        expiry = datetime.now(timezone.utc) + timedelta(seconds=int(fields["ttl"]))
        values["expire_timestamp"] = expiry.isoformat()
    there = KeyValuePair.get(**{key: values[key] for key in ("name", "scope") if key in values})
    saved = KeyValuePair.add_or_update(KeyValuePairDB(id=there.id if there else None, value=value, **values))
    return Response(200, _to_api(saved, decrypt=False))


def _find(request: Request, name: str) -> KeyValuePairDB:
    filters = {"name": _stored_name(request.query, name)}
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


def _user(fields: dict[str, Any]) -> str:
    return str(fields.get("user") or config.CONF.get("system_user", "user", SYSTEM_USER))


def _stored_name(fields: dict[str, Any], name: str) -> str:
    if traits.SCOPED_KEYS and _scope(fields) in USER_SCOPES:
        return f"{_user(fields)}{USER_SEPARATOR}{name}"
    return name


def _decrypt(request: Request) -> bool:
    return request.query.get("decrypt", "").lower() == "true"


def crypto_key() -> CryptoKey:
    """The deployment's key, or the error of an st2 that was never given one."""
    path = config.CONF.get("keyvalue", "encryption_key_path", "")
    try:
        return CryptoKey.read(path)
    except OSError as error:
        message = "Crypto key not found in the configured location. Unable to encrypt / decrypt value."
        raise Abort(400, message) from error


def _to_api(item: KeyValuePairDB, decrypt: bool) -> dict[str, Any]:
    shown: dict[str, Any] = {"id": item.id, "uid": item.get_uid(), "name": item.name, "value": item.value}
    if item.expire_timestamp:
        shown["expire_timestamp"] = item.expire_timestamp
    if not traits.SCOPED_KEYS:
        return shown
    encrypted = item.secret
    if item.secret and decrypt:
        shown["value"], encrypted = crypto_key().decrypt(item.value), False
    if item.scope in USER_SCOPES:
        shown["user"], _, shown["name"] = item.name.partition(USER_SEPARATOR)
    return {**shown, "scope": item.scope, "secret": item.secret, "encrypted": encrypted}
