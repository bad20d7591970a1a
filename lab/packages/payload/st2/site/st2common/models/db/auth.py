"""An API key as a document (st2common/models/db/auth.py): the key itself is nowhere, only the SHA-512 of it."""

import hashlib
import time
from typing import Any

import psycopg2  # type: ignore[import-not-found,import-untyped,unused-ignore]
from mongoengine.errors import NotUniqueError
from st2lab.store import Document, as_json, new_id

from st2common.service_setup import current_store

# MongoDB of that day bears neither in the name of a field (st2common/fields.py, EscapedDictField).
ESCAPES = {".": "\uff0e", "$": "\uff04"}


class ApiKeyDB:
    """The document of one API key. Its time of making is a number of microseconds, as ComplexDateTimeField stores it."""

    def __init__(
        self,
        id: str | None = None,
        user: str | None = None,
        key_hash: str = "",
        metadata: Document | None = None,
        created_at: int = 0,
        enabled: bool = True,
    ) -> None:
        self.id, self.user, self.key_hash, self.enabled = id, user, key_hash, enabled
        self.metadata: Document = metadata or {}
        self.created_at = created_at or int(time.time() * 1_000_000)

    @classmethod
    def objects(cls, *, key_hash: str = "", id: str = "", user: str = "") -> list["ApiKeyDB"]:
        """The keys that are told, or all."""
        wanted = {"doc ->> 'key_hash' =": key_hash, "id =": id, "doc ->> 'user' =": user}
        given = {sql: value for sql, value in wanted.items() if value}
        where = " AND ".join(f"{sql} %s" for sql in given) or "true"
        rows = current_store().run(f"SELECT id, doc FROM api_key_d_b WHERE {where} ORDER BY id", given.values())
        return [cls(id=id_, **{**doc, "metadata": unescaped(doc.get("metadata", {}))}) for id_, doc in rows]

    def get_uid(self) -> str:
        """What must be unique."""
        return f"api_key:{self.key_hash}"

    def to_document(self) -> Document:
        """The document that is written."""
        return {
            "user": self.user,
            "key_hash": self.key_hash,
            "metadata": escaped(self.metadata),
            "created_at": self.created_at,
            "enabled": self.enabled,
        }

    def save(self) -> "ApiKeyDB":
        """Write the document whole, over the one with the same id."""
        self.id = self.id or new_id()
        try:
            current_store().run(
                "INSERT INTO api_key_d_b (id, uid, doc) VALUES (%s, %s, %s)"
                " ON CONFLICT (id) DO UPDATE SET uid = EXCLUDED.uid, doc = EXCLUDED.doc",
                (self.id, self.get_uid(), as_json(self.to_document())),
            )
        except psycopg2.errors.UniqueViolation as error:
            raise NotUniqueError("Tried to save duplicate unique keys (E11000 duplicate key error)") from error
        return self

    def delete(self) -> None:
        """Remove the document."""
        current_store().run("DELETE FROM api_key_d_b WHERE id = %s", (self.id,))


def hashed(key: str) -> str:
    """What is stored of an API key (st2common/util/auth.py)."""
    return hashlib.sha512(key.encode()).hexdigest()


def escaped(value: Any) -> Any:
    """A dictionary with names that MongoDB takes."""
    return _renamed(value, ESCAPES)


def unescaped(value: Any) -> Any:
    """A dictionary with its own names."""
    return _renamed(value, {new: old for old, new in ESCAPES.items()})


def _renamed(value: Any, letters: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {name.translate(str.maketrans(letters)): _renamed(each, letters) for name, each in value.items()}
    return [_renamed(each, letters) for each in value] if isinstance(value, list) else value
