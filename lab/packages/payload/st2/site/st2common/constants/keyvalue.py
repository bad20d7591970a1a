"""Scopes of datastore keys, under their old and their new names."""

from st2common import traits

SYSTEM_SCOPE = "system"
USER_SCOPE = "user"
FULL_SYSTEM_SCOPE = "st2kv.system"
FULL_USER_SCOPE = "st2kv.user"

DATASTORE_SCOPE_SEPARATOR = "."
USER_SEPARATOR = ":"

# What a new key gets, and what a document without a scope is read as.
DEFAULT_SCOPE = FULL_SYSTEM_SCOPE if traits.RENAMED_SCOPES else SYSTEM_SCOPE
ALLOWED_SCOPES = (
    (SYSTEM_SCOPE, USER_SCOPE, FULL_SYSTEM_SCOPE, FULL_USER_SCOPE)
    if traits.RENAMED_SCOPES
    else (SYSTEM_SCOPE, USER_SCOPE)
)
USER_SCOPES = (USER_SCOPE, FULL_USER_SCOPE)


def full_scope(scope: str) -> str:
    """The scope's name in this release: from 2.1 the server takes the old names too."""
    if not traits.RENAMED_SCOPES:
        return scope
    return {SYSTEM_SCOPE: FULL_SYSTEM_SCOPE, USER_SCOPE: FULL_USER_SCOPE}.get(scope, scope)
