"""Errors of the client, by the names and in the order of descent that pymongo 3 gives them."""


class PyMongoError(Exception):
    """The root of them."""


class ConnectionFailure(PyMongoError):
    """No connection, or no longer one."""


class AutoReconnect(ConnectionFailure):
    """A connection that broke; the next question tries again."""


class ServerSelectionTimeoutError(AutoReconnect):
    """No server answered in the time that the client was given."""


class ConfigurationError(PyMongoError):
    """An option that this client does not know."""


class OperationFailure(PyMongoError):
    """The server refused."""

    def __init__(self, text: str, code: int | None = None) -> None:
        super().__init__(text)
        self.code = code
