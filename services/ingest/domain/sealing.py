"""Sealing personal data: AES-256-GCM under a key per subject, bound to the row and field it stands in."""

import os
import zlib
from uuid import UUID, uuid5

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

KEY_BYTES = 32
_NONCE_BYTES = 12
PACKED_FROM_BYTES = 1_000
# How a stream of zlib begins; no JSON document does.
_COMPRESSED = b"\x78"
_GUEST_MONTHS = UUID("3b7d1c52-0f4e-5a89-9d36-7c1e52f0ab48")


class UnsealingError(Exception):
    """This ciphertext was not sealed under this key for this place, or was changed."""


def new_key() -> bytes:
    return os.urandom(KEY_BYTES)


def seal(key: bytes, plain: bytes, place: str) -> bytes:
    """Encrypt; the result opens only with the same key and the same place (`table/row/field`)."""
    nonce = os.urandom(_NONCE_BYTES)
    return nonce + AESGCM(key).encrypt(nonce, plain, place.encode())


def unseal(key: bytes, sealed: bytes, place: str) -> bytes:
    """Decrypt. Raises UnsealingError."""
    try:
        return AESGCM(key).decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], place.encode())
    except (InvalidTag, ValueError) as error:
        raise UnsealingError(f"cannot open {place.partition('/')[0]}") from error


def pack(document: bytes) -> bytes:
    """Compress a document before it is sealed: afterwards nothing can. A small one takes longer than it gains."""
    if len(document) < PACKED_FROM_BYTES and not document.startswith(_COMPRESSED):
        return document
    return zlib.compress(document, 1)


def unpack(packed: bytes) -> bytes:
    return zlib.decompress(packed) if packed.startswith(_COMPRESSED) else packed


def guest_key_id(month: str) -> UUID:
    """Return the id of the key for what nobody is known for, one a month (`2026-11`)."""
    return uuid5(_GUEST_MONTHS, month)
