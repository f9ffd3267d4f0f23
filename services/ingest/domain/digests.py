"""What makes two inputs the same: the digest of a key, and the digest of what was said under it.

Both are keyed hashes over domain fields, with blind indexes in place of identifiers, so that the stored digest
of a receipt tells nothing about whose it was.
"""

from collections.abc import Iterable
from hashlib import blake2b
from json.encoder import encode_basestring_ascii as quoted

DIGEST_BYTES = 16


def message_key(source_id: str, message_id: str) -> str:
    """Return the de-duplication key of a message: its client numbers it, so the source is part of the key."""
    return _key("message", source_id, message_id)


def order_key(kind: str, order_id: str, refund_id: str = "") -> str:
    """Return the key of a web shop's order or refund: one of each per order, whichever source tells of it."""
    return _key("order", kind, order_id, refund_id)


def key_digest(secret: bytes, key: str) -> bytes:
    """Return the 16 bytes under which a key is remembered for ever."""
    return blake2b(key.encode("utf-8", "surrogatepass"), key=secret, digest_size=DIGEST_BYTES).digest()


def content_digest(secret: bytes, parts: Iterable[bytes]) -> bytes:
    """Return the 16 bytes that tell a repeat from a conflict; no two lists of parts share one text."""
    digest = blake2b(key=secret, digest_size=DIGEST_BYTES)
    for part in parts:
        digest.update(len(part).to_bytes(4, "big"))
        digest.update(part)
    return digest.digest()


def _key(*parts: str) -> str:
    """Return the parts as a JSON array, in which no two lists of parts have one text."""
    return f"[{','.join(map(quoted, parts))}]"
