"""Secret keys: AES in the format of keyczar, which st2 has kept through all its releases.

Key file: JSON with aesKeyString and hmacKey.hmacKeyString in URL-safe base 64. Ciphertext: upper-case hex of
one version byte, four bytes of key hash, the IV, AES-CBC, HMAC-SHA1.
"""

import base64
import hashlib
import hmac
import json
import os
import struct
from pathlib import Path
from typing import Any

from st2common import traits

HEADER = b"\x00"
MAC_SIZE = 20
IV_SIZE = 16
HASH_SIZE = 4


class CryptoKey:
    """The datastore key of a deployment: every host needs the same one."""

    def __init__(self, aes: bytes, mac: bytes) -> None:
        self.aes, self.mac = aes, mac

    @classmethod
    def read(cls, path: str) -> "CryptoKey":
        """Read a key file."""
        return cls.parse(Path(path).read_text())

    @classmethod
    def parse(cls, text: str) -> "CryptoKey":
        """Read the text of a key file."""
        found = json.loads(text)
        return cls(_decode(found["aesKeyString"]), _decode(found["hmacKey"]["hmacKeyString"]))

    @classmethod
    def from_seed(cls, seed: str) -> "CryptoKey":
        """Derive a key, so that the hosts of a lab deployment agree on one without copying it."""
        return cls(hashlib.sha256(b"aes" + seed.encode()).digest(), hashlib.sha256(b"mac" + seed.encode()).digest())

    def to_json(self) -> str:
        """The key file's text."""
        mac = {"hmacKeyString": _encode(self.mac), "size": 256}
        return json.dumps({"hmacKey": mac, "aesKeyString": _encode(self.aes), "size": 256, "mode": "CBC"})

    def encrypt(self, plain: str, iv: bytes = b"") -> str:
        """Encrypt a value; the IV is chance unless it is given."""
        data = plain.encode()
        fill = IV_SIZE - len(data) % IV_SIZE
        iv = iv or os.urandom(IV_SIZE)
        body = HEADER + self._hash() + iv + self._cipher(iv, data + bytes([fill]) * fill, encrypt=True)
        return (body + self._sign(body)).hex().upper()

    def decrypt(self, text: str) -> str:
        """Decrypt a value, or raise ValueError when it was not made with this key."""
        raw = bytes.fromhex(text)
        body, mac = raw[:-MAC_SIZE], raw[-MAC_SIZE:]
        if not hmac.compare_digest(mac, self._sign(body)):
            raise ValueError("Failed to verify the integrity of the provided value for key")
        start = len(HEADER) + HASH_SIZE
        iv = body[start : start + IV_SIZE]
        padded = self._cipher(iv, body[start + IV_SIZE :], encrypt=False)
        return padded[: -padded[-1]].decode()

    def _sign(self, body: bytes) -> bytes:
        return hmac.new(self.mac, body, hashlib.sha1).digest()

    def _hash(self) -> bytes:
        return hashlib.sha1(struct.pack(">i", len(self.aes)) + self.aes + self.mac).digest()[:HASH_SIZE]

    def _cipher(self, iv: bytes, data: bytes, *, encrypt: bool) -> bytes:
        # Imported here: most programs never meet a secret, and this is the slowest import of all.
        ciphers: Any = __import__("cryptography.hazmat.primitives.ciphers", fromlist=["Cipher", "algorithms", "modes"])
        cipher = ciphers.Cipher(ciphers.algorithms.AES(self.aes), ciphers.modes.CBC(iv))
        worker = cipher.encryptor() if encrypt else cipher.decryptor()
        return bytes(worker.update(data) + worker.finalize())


def symmetric_encrypt(encrypt_key: CryptoKey, plaintext: str) -> str | bytes:
    """The ciphertext of a value, as upper-case hex: bytes where Python 3 made it."""
    found = encrypt_key.encrypt(plaintext)
    return found.encode() if traits.TELLS_BYTES else found


def symmetric_decrypt(decrypt_key: CryptoKey, ciphertext: str | bytes) -> str:
    """The value of a ciphertext, or ValueError."""
    return decrypt_key.decrypt(ciphertext.decode() if isinstance(ciphertext, bytes) else ciphertext)


if traits.OWN_CRYPTO:

    def read_crypto_key(key_path: str) -> CryptoKey:
        """The key in a file."""
        return CryptoKey.read(key_path)


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
