"""Keys of keyczar, as far as st2 used them."""

from st2common.util.crypto import CryptoKey


class AesKey(CryptoKey):
    """A key for AES that signs what it encrypts."""

    @classmethod
    def Read(cls, key: str) -> "AesKey":
        """The key that a JSON text holds."""
        found = cls.parse(key)
        return cls(found.aes, found.mac)
