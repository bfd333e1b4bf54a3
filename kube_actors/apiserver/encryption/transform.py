"""From values to what is kept of them, and back. Kubernetes: k8s.io/apiserver/pkg/storage/value/encrypt/aes."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from kube_actors.api.errors import ConfigError

PREFIX = b"k8s:enc:aesgcm:v1:"
NONCE = 12
# The name of the key that is none: values are written as they are.
IDENTITY = "identity"


class Unreadable(Exception):
    """A value that none of the keys opens."""


class Transformer:
    """`keys` by name, the first of which writes. Raises ConfigError for a key that is not 16, 24 or 32 bytes long."""

    def __init__(self, keys: Sequence[tuple[str, bytes]]) -> None:
        self._ciphers: Mapping[bytes, AESGCM] = {
            name.encode(): _cipher(name, key) for name, key in keys if name != IDENTITY
        }
        first = keys[0][0] if keys else IDENTITY
        self._writer = b"" if first == IDENTITY else first.encode()

    def is_current(self, stored: bytes) -> bool:
        """Whether it was written as it would be now."""
        if not self._writer:
            return not stored.startswith(PREFIX)
        return stored.startswith(PREFIX + self._writer + b":")

    def seal(self, key: bytes, value: bytes) -> bytes:
        """`key` is the value's place in the store."""
        if not self._writer:
            return value
        nonce = os.urandom(NONCE)
        return b"".join((PREFIX, self._writer, b":", nonce, self._ciphers[self._writer].encrypt(nonce, value, key)))

    def open(self, key: bytes, stored: bytes) -> bytes:
        """Raises Unreadable."""
        if not stored.startswith(PREFIX):
            return stored
        name, _, sealed = stored[len(PREFIX) :].partition(b":")
        cipher = self._ciphers.get(name)
        if cipher is None:
            raise Unreadable("no matching key was found for the provided AES transformer")
        try:
            return cipher.decrypt(sealed[:NONCE], sealed[NONCE:], key)
        except (InvalidTag, ValueError) as error:
            raise Unreadable("cipher: message authentication failed") from error


def _cipher(name: str, key: bytes) -> AESGCM:
    if len(key) not in (16, 24, 32):
        raise ConfigError(f"the encryption key {name} has {len(key)} bytes; it must have 16, 24 or 32")
    return AESGCM(key)
