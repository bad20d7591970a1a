"""Turn the model's frozen dataclasses into JSON and back, and hash them; every reader gets the place of a mistake."""

import functools
import hashlib
import json
import types
import typing
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any, TypeVar

T = TypeVar("T")


class Malformed(ValueError):
    """The data does not have the shape; the message names the place."""


def encode(value: Any) -> Any:
    """Give VALUE as what json.dumps takes."""
    if is_dataclass(value) and not isinstance(value, type):
        return {f.name: encode(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, dict):
        return {str(key): encode(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [encode(item) for item in value]
    return value


def canonical(value: Any) -> str:
    """The one JSON text of VALUE: sorted keys, no spare blanks."""
    return json.dumps(encode(value), sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """SHA-256 of the canonical text, in hex."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def decode(kind: type[T], data: Any, place: str = "$") -> T:
    """Build KIND from DATA; raises Malformed with the place of the first mistake."""
    return typing.cast(T, _decode(kind, data, place))


def _decode(kind: Any, data: Any, place: str) -> Any:
    origin = typing.get_origin(kind)
    if origin in (typing.Union, types.UnionType):
        return _decode_union(kind, data, place)
    if origin is tuple:
        item = typing.get_args(kind)[0]
        return tuple(_decode(item, each, f"{place}[{i}]") for i, each in enumerate(_shape(list, data, place)))
    if origin is dict:
        item = typing.get_args(kind)[1]
        return {key: _decode(item, each, f"{place}.{key}") for key, each in _shape(dict, data, place).items()}
    if isinstance(kind, type) and issubclass(kind, Enum):
        return _decode_enum(kind, data, place)
    if is_dataclass(kind):
        return _decode_dataclass(typing.cast(type, kind), data, place)
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    return data if kind is Any else _shape(kind, data, place)


def _shape(kind: type[T], data: Any, place: str) -> T:
    if not isinstance(data, kind) or (kind is int and isinstance(data, bool)):
        raise Malformed(f"{place}: expected {kind.__name__}, found {type(data).__name__}")
    return data


def _decode_union(kind: Any, data: Any, place: str) -> Any:
    options = [option for option in typing.get_args(kind) if option is not type(None)]
    if data is None:
        return None
    return _decode(options[0], data, place)


def _decode_enum(kind: type[Enum], data: Any, place: str) -> Enum:
    try:
        return kind(data)
    except ValueError:
        known = ", ".join(str(each.value) for each in kind)
        raise Malformed(f"{place}: {data!r} is none of {known}") from None


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _decode_dataclass(kind: type, data: Any, place: str) -> Any:
    given = _shape(dict, data, place)
    hints = _hints(kind)
    known = {f.name: f for f in fields(kind)}
    if unknown := sorted(set(given) - set(known)):
        raise Malformed(f"{place}: unknown key {unknown[0]!r}")
    values = {name: _decode(hints[name], item, f"{place}.{name}") for name, item in given.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise Malformed(f"{place}: {error}") from None
