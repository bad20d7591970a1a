"""The client of MongoDB: of it what tells the server's release, which a server tells before anybody logs in."""

from typing import Any

from mongoengine.connection import MongoEngineConnectionError
from st2common.config import CONF
from st2lab.store import Store

from pymongo import errors


class MongoClient:
    """A connection to the server; nothing is opened before it is asked."""

    def __init__(self, host: str, **_options: Any) -> None:
        self.host = host

    def server_info(self) -> dict[str, str]:
        """The answer to `buildInfo`, of which st2's operators read the version."""
        # The stand-in's server is the PostgreSQL of st2.conf, whatever the URL says.
        CONF.read(["/etc/st2/st2.conf"])
        store = Store(CONF.database)
        try:
            [(release,)] = store.run("SELECT release FROM lab_server")
        except MongoEngineConnectionError as error:
            raise errors.ServerSelectionTimeoutError(str(error)) from error
        finally:
            store.close()
        return {"version": release}
