#!/opt/stackstorm/st2/bin/python
"""The 1.5 migration: every key gets a scope and a secret flag (st2common/bin/migrations/v1.5)."""

from typing import Any

from st2common import migration, traits
from st2common.constants.keyvalue import DEFAULT_SCOPE
from st2common.models.db.keyvalue import KeyValuePairDB


def with_scope_and_secret(item: KeyValuePairDB) -> KeyValuePairDB:
    """The same key, with the two new fields written out."""
    # The mistake of 1.5.0 to 2.0.1: the model has no such field. MongoEngine 0.8 (1.5) forgave it.
    extra: dict[str, Any] = {"encrypted": False} if traits.SCRIPT_SETS_ENCRYPTED else {}
    return KeyValuePairDB(
        id=item.id,
        name=item.name,
        expire_timestamp=item.expire_timestamp,
        value=item.value,
        secret=getattr(item, "secret", False),
        scope=getattr(item, "scope", DEFAULT_SCOPE),
        **extra,
    )


if __name__ == "__main__":
    migration.run("st2-migrate-datastore-to-include-scope-secret.py", with_scope_and_secret)
