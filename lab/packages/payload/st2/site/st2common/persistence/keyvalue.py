"""Access to datastore keys, by the methods that the migration scripts of st2 call."""

from typing import Any

from st2common.models.db.keyvalue import KeyValuePairDB


class KeyValuePair:
    """Keys of the deployment's datastore (st2common.persistence.keyvalue.KeyValuePair)."""

    @classmethod
    def get_all(cls) -> list[KeyValuePairDB]:
        """Every key, of whatever scope."""
        return list(KeyValuePairDB.objects())

    @classmethod
    def query(cls, **filters: Any) -> list[KeyValuePairDB]:
        """The keys that match."""
        return list(KeyValuePairDB.objects(**filters))

    @classmethod
    def get(cls, **filters: Any) -> KeyValuePairDB | None:
        """The first key that matches."""
        return KeyValuePairDB.objects(**filters).first()

    @classmethod
    def count(cls, **filters: Any) -> int:
        """How many keys match."""
        return KeyValuePairDB.objects(**filters).count()

    @classmethod
    def add_or_update(cls, model_object: KeyValuePairDB, dispatch_trigger: bool = True) -> KeyValuePairDB:
        """Write a key; one with the same id is replaced whole. Triggers go nowhere here, whether one is asked for or not."""
        return model_object.save()

    @classmethod
    def delete(cls, model_object: KeyValuePairDB) -> None:
        """Remove a key."""
        model_object.delete()
