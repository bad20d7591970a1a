"""A datastore key as the API takes it (st2common/models/api/keyvalue.py)."""

from datetime import datetime, timedelta, timezone
from typing import Any

from st2common import config, traits
from st2common.constants.keyvalue import ALLOWED_SCOPES, DEFAULT_SCOPE
from st2common.exceptions.keyvalue import CryptoKeyNotSetupException, InvalidScopeException
from st2common.models.db.keyvalue import KeyValuePairDB
from st2common.util.crypto import CryptoKey, symmetric_decrypt, symmetric_encrypt

DEFAULT_PATH = "/etc/st2/keys/datastore_key.json"


class KeyValuePairAPI:
    """One key, with whatever attributes it was given."""

    def __init__(self, **given: Any) -> None:
        for name, value in given.items():
            setattr(self, name, value)

    @classmethod
    def to_model(cls, kvp: "KeyValuePairAPI") -> KeyValuePairDB:
        """The document of a key. A scope is taken by the name that it has: an old one stays an old one."""
        given = vars(kvp)
        value = given["value"]
        fields: dict[str, Any] = {"id": given.get("id"), "name": given.get("name")}
        if given.get("ttl"):
            fields["expire_timestamp"] = datetime.now(timezone.utc) + timedelta(seconds=given["ttl"])
        if traits.SCOPED_KEYS:
            encrypted = traits.TAKES_ENCRYPTED and given.get("encrypted", False)
            fields.update(scope=given.get("scope", DEFAULT_SCOPE), secret=bool(encrypted or given.get("secret", False)))
            if fields["scope"] not in ALLOWED_SCOPES:
                raise InvalidScopeException(
                    f'Invalid scope "{fields["scope"]}"! Allowed scopes are {list(ALLOWED_SCOPES)}.'
                )
            if encrypted:
                _verify(given.get("name"), value)
            elif fields["secret"]:
                value = symmetric_encrypt(crypto_key(given.get("name")), value)
        return KeyValuePairDB(value=value.decode() if isinstance(value, bytes) else value, **fields)


def crypto_key(name: object = "") -> CryptoKey:
    """The deployment's key as it is now, or the error of an st2 that was never given one."""
    path = config.CONF.get("keyvalue", "encryption_key_path", DEFAULT_PATH)
    try:
        return CryptoKey.read(path)
    except OSError as error:
        text = f"Crypto key not found in {path}. Unable to encrypt / decrypt value for key {name}."
        raise CryptoKeyNotSetupException(text) from error


def _verify(name: object, value: str) -> None:
    try:
        symmetric_decrypt(crypto_key(name), value)
    except (ValueError, IndexError) as error:
        raise ValueError(
            f'Failed to verify the integrity of the provided value for key "{name}". Ensure '
            "that the value is encrypted with the correct key and not corrupted."
        ) from error
