#!/opt/stackstorm/st2/bin/python
"""The 2.1 migration: system becomes st2kv.system, user becomes st2kv.user (st2common/bin/migrations/v2.1)."""

from st2common import migration
from st2common.constants.keyvalue import full_scope
from st2common.models.db.keyvalue import KeyValuePairDB


def under_st2kv(item: KeyValuePairDB) -> KeyValuePairDB:
    """The same key in the scope's new name; one that another process made meanwhile stands in the way for good."""
    return KeyValuePairDB(
        id=item.id,
        name=item.name,
        expire_timestamp=item.expire_timestamp,
        value=item.value,
        secret=item.secret,
        scope=full_scope(item.scope),
    )


if __name__ == "__main__":
    migration.run("st2-migrate-datastore-scopes.py", under_st2kv)
