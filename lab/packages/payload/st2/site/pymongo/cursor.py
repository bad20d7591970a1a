"""What `find` gives: documents in batches, as the server hands them out."""

from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from typing import Any

from bson.objectid import InvalidId, ObjectId

Rows = list[tuple[Any, ...]]
# The server's first batch (the later ones are measured by their bytes).
BATCH = 101


class Cursor(Iterator[dict[str, Any]]):
    """The documents of a collection in the order of their ids; nothing is asked for before the first one is taken."""

    def __init__(self, run: Callable[..., Rows], table: str) -> None:
        self._run, self._table = run, table
        self._size, self._last, self._batch = BATCH, "", self._documents()

    def __next__(self) -> dict[str, Any]:
        return next(self._batch)

    def batch_size(self, size: int) -> "Cursor":
        """How many documents come at once."""
        self._size = size
        return self

    def close(self) -> None:
        """Ask for no more."""
        self._batch.close()

    def __enter__(self) -> "Cursor":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _documents(self) -> Any:
        columns = {name for (name,) in self._run(_COLUMNS, self._table)}
        key = "id" if "id" in columns else "(to_jsonb(t)::text)"
        sql = f'SELECT {key}, to_jsonb(t) FROM "{self._table}" t WHERE {key} > %s ORDER BY {key} LIMIT %s'
        while columns:
            rows = self._run(sql, self._last, self._size)
            for self._last, row in rows:
                yield document(row)
            if len(rows) < self._size:
                return


_COLUMNS = "SELECT attname FROM pg_attribute WHERE attrelid = to_regclass(quote_ident(%s)) AND attnum > 0"


def document(row: dict[str, Any]) -> dict[str, Any]:
    """A row as the document that MongoDB would hold."""
    if "id" not in row:
        return row
    fields = dict(row.get("doc") or {})
    if ends := fields.get("expire_timestamp"):
        fields["expire_timestamp"] = dated(ends)
    if row.get("uid"):
        fields["uid"] = row["uid"]
    return {"_id": object_id(row["id"]), **fields}


def object_id(text: str) -> str:
    """An id, which may be any value."""
    try:
        return ObjectId(text)
    except InvalidId:
        return text


def dated(text: str) -> datetime:
    """A date as BSON keeps it and pymongo reads it: to the millisecond, of UTC, without saying so."""
    found = datetime.fromisoformat(text).astimezone(timezone.utc).replace(tzinfo=None)
    return found.replace(microsecond=found.microsecond // 1000 * 1000)
