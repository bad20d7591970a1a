"""Errors of datastore keys, by the names that st2 gives them."""


class CryptoKeyNotSetupException(Exception):
    """A secret is to be stored or shown where there is no crypto key."""


class InvalidScopeException(Exception):
    """No such scope in this release."""
