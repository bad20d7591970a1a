"""The client of MongoDB, of pymongo 3.2: what an operator's program asks of it, over the stand-in store.

A collection is a table that is not the lab's own. As with a MongoDB whose user has the role readWrite: whoever may not log in
gets a connection, and is refused at the first command; a database is made with its first collection and is gone with its
last; dropping it whole is refused.
"""

from urllib.parse import unquote, urlsplit

from pymongo import errors
from pymongo.database import Connection, Database

version = "3.2.2"
version_tuple = (3, 2, 2)
_OPTIONS = {"connectTimeoutMS", "socketTimeoutMS", "serverSelectionTimeoutMS", "replicaSet"}
__all__ = ["MongoClient", "errors", "version", "version_tuple"]


class MongoClient:
    """A connection to the server; nothing is opened before it is asked."""

    def __init__(self, host: str, **options: object) -> None:
        if odd := sorted(set(options) - _OPTIONS):
            raise errors.ConfigurationError(f"Unknown option {odd[0]}")
        told = urlsplit(host)
        query = dict(part.partition("=")[::2] for part in told.query.split("&"))
        source = unquote(query.get("authSource", "")) or told.path.strip("/") or "admin"
        login = (unquote(told.username), unquote(told.password or ""), source) if told.username else None
        self._connection = Connection(told.hostname or "", told.port or 27017, login)

    def __getitem__(self, name: str) -> Database:
        """The database NAME, which need not be there."""
        return Database(self._connection, name)

    def server_info(self) -> dict[str, str]:
        """The answer to `buildInfo`, which the server gives before anybody logs in."""
        return {"version": self._connection.release()}

    def drop_database(self, name: str) -> None:
        """What readWrite does not allow."""
        raise errors.OperationFailure(f"not authorized on {name} to execute command {{ dropDatabase: 1 }}", 13)
