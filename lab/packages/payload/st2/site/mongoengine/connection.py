"""Errors of the connection."""


class MongoEngineConnectionError(Exception):
    """The database did not answer in the time that the configuration allows."""


class OperationFailure(Exception):
    """The database answered and refused: pymongo's error for a client that has not logged in."""
