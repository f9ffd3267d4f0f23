"""The certificate of an erasure: what was done, and a signature that only this deployment can make."""

import hmac
import json
from collections.abc import Mapping
from typing import Any

ALGORITHM = "HMAC-SHA-256"


def sign(secret: bytes, document: Mapping[str, Any]) -> str:
    """Return the signature of a JSON document, hex; the order of its fields makes no difference."""
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hmac.digest(secret, canonical.encode(), "sha256").hex()


def is_genuine(secret: bytes, document: Mapping[str, Any], signature: str) -> bool:
    """Say whether this deployment signed exactly this document."""
    return hmac.compare_digest(sign(secret, document).encode(), signature.encode())
