"""Errors of the client."""


class ServerSelectionTimeoutError(Exception):
    """No server answered in the time that the client was given."""
