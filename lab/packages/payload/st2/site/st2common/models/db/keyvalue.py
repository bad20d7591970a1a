"""A datastore key as a document: the model of the release, over whatever older releases left in the database."""

import json
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore]
from mongoengine.errors import FieldDoesNotExist, NotUniqueError
from st2lab.store import Document, as_json, new_id

from st2common import traits
from st2common.constants.keyvalue import DEFAULT_SCOPE
from st2common.service_setup import current_store

_DEFAULTS: Document = {"name": None, "value": None, "expire_timestamp": None}
if traits.SCOPED_KEYS:
    _DEFAULTS.update(scope=DEFAULT_SCOPE, secret=False)


class KeyValuePairDB:
    """The document of one key. Keys of a user are named USER:NAME (st2common.services.keyvalues)."""

    scope: str
    secret: bool

    def __init__(self, id: str | None = None, **values: Any) -> None:
        unknown = values.keys() - _DEFAULTS.keys()
        if unknown and traits.STRICT_DOCUMENTS:
            names = ", ".join(repr(name) for name in sorted(unknown))
            raise FieldDoesNotExist(f"The field {names} does not exist on the document 'KeyValuePairDB'")
        self.id = id
        self.name: str = ""
        self.value: str = ""
        self.expire_timestamp: str | datetime | None = None
        for name, default in _DEFAULTS.items():
            setattr(self, name, values.get(name, default))

    @classmethod
    def objects(cls, **filters: Any) -> "QuerySet":
        """Documents that match FILTERS, as MongoEngine's manager: name=..., scope__in=[...], scope__exists=False."""
        return QuerySet(filters)

    def get_uid(self) -> str:
        """What must be unique: the scope belongs to it from 1.5 on."""
        return uid_of(self.scope if traits.SCOPED_KEYS else "", self.name)

    def to_document(self) -> Document:
        """The document that is written: fields without a value are left out."""
        fields = {name: getattr(self, name) for name in _DEFAULTS}
        if isinstance(self.expire_timestamp, datetime):
            fields["expire_timestamp"] = self.expire_timestamp.isoformat()
        return {name: value for name, value in fields.items() if value is not None}

    def save(self) -> "KeyValuePairDB":
        """Write the document whole, over the one with the same id."""
        self.id = self.id or new_id()
        try:
            current_store().run(
                "INSERT INTO key_value_pair_d_b (id, uid, doc) VALUES (%s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET uid = EXCLUDED.uid, doc = EXCLUDED.doc",
                (self.id, self.get_uid(), as_json(self.to_document())),
            )
        except psycopg2.errors.UniqueViolation as error:
            key = f'dup key: {{ uid: "{self.get_uid()}" }}'
            raise NotUniqueError(f"Tried to save duplicate unique keys (E11000 duplicate key error {key})") from error
        return self

    def delete(self) -> None:
        """Remove the document."""
        current_store().run("DELETE FROM key_value_pair_d_b WHERE id = %s", (self.id,))


def uid_of(scope: str, name: str) -> str:
    """The uid of a key; the scope is in it from 1.5 on."""
    return ":".join(["key_value_pair", *([scope] if traits.SCOPED_KEYS else []), name])


class QuerySet:
    """The answer to a filter, read when it is walked through or counted."""

    def __init__(self, filters: dict[str, Any]) -> None:
        self._filters = filters

    def __iter__(self) -> Iterator[KeyValuePairDB]:
        for id_, document in self._rows():
            known = {name: value for name, value in document.items() if name in _DEFAULTS}
            yield KeyValuePairDB(id=id_, **known)

    def __len__(self) -> int:
        return self.count()

    def count(self) -> int:
        """How many documents match."""
        return len(self._rows())

    def first(self) -> KeyValuePairDB | None:
        """The first match, or None."""
        return next(iter(self), None)

    def _rows(self) -> list[tuple[str, Document]]:
        now = datetime.now(timezone.utc).isoformat()
        where, values = self._where()
        found = current_store().run(f"SELECT id, doc FROM key_value_pair_d_b WHERE {where} ORDER BY id", values)
        rows = [(id_, doc if isinstance(doc, dict) else json.loads(doc)) for id_, doc in found]
        # MongoDB removes expired keys by itself.
        alive = [(id_, doc) for id_, doc in rows if doc.get("expire_timestamp", now) >= now]
        return [(id_, doc) for id_, doc in alive if all(_matches(id_, doc, *item) for item in self._filters.items())]

    def _where(self) -> tuple[str, list[str]]:
        # What the database can say quickly; _matches has the last word.
        known = {name: value for name, value in self._filters.items() if isinstance(value, str)}
        if "name" in known and ("scope" in known or not traits.SCOPED_KEYS):
            return "uid = %s", [uid_of(known.get("scope", ""), known["name"])]
        if "scope" in known:
            return "doc ->> 'scope' = %s", [known["scope"]]
        return "true", []


def _matches(id_: str, document: Document, name: str, wanted: Any) -> bool:
    # On what is stored, not on the model's defaults: a document without a scope is in no scope.
    field, _, operator = name.partition("__")
    value = id_ if field == "id" else document.get(field)
    if operator == "in":
        return value in wanted
    if operator == "nin":
        return value not in wanted
    if operator == "ne":
        return bool(value != wanted)
    if operator == "exists":
        return (field in document) is bool(wanted)
    if operator == "startswith":
        return isinstance(value, str) and value.startswith(wanted)
    if operator:
        raise ValueError(f"unknown operator in {name}")
    return bool(value == wanted)
