"""Errors of documents, by the names that MongoEngine gives them."""


class FieldDoesNotExist(Exception):
    """A document was given a field that its model has not (strict from MongoEngine 0.10)."""


class NotUniqueError(Exception):
    """A document with the same unique field is there already."""


class ValidationError(Exception):
    """A document's field has a value of the wrong kind."""
