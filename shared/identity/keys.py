"""Keys derived from the deployment key, and blind indexes made with them."""

import hmac
from collections.abc import Mapping
from typing import Self

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from shared.identity.namespaces import is_namespace

_KEY_BYTES = 32


class UnknownNamespace(LookupError):
    """This process holds no key for that namespace; ask ingest to resolve it."""

    def __init__(self, namespace: str) -> None:
        super().__init__(f"no blind-index key for namespace {namespace!r} here; resolve it through ingest")
        self.namespace = namespace


def derive_key(deployment_key: bytes, purpose: str) -> bytes:
    """Return 32 bytes for one purpose by HKDF-SHA-256; nothing about other purposes follows from them.

    Raises:
        ValueError: a deployment key shorter than 32 bytes.
    """
    if len(deployment_key) < _KEY_BYTES:
        raise ValueError(f"the deployment key has {len(deployment_key)} bytes, needs at least {_KEY_BYTES}")
    info = f"regulars/{purpose}".encode()
    return HKDF(algorithm=SHA256(), length=_KEY_BYTES, salt=None, info=info).derive(deployment_key)


class BlindIndexKeys:
    """The blind-index keys a process holds: all of them (ingest), or those of given namespaces only."""

    def __init__(self, deployment_key: bytes | None, given: Mapping[str, bytes]) -> None:
        self._deployment_key = deployment_key
        self._keys = dict(given)

    @classmethod
    def from_deployment_key(cls, deployment_key: bytes) -> Self:
        """Hold the keys of every namespace. Raises ValueError for a key that is too short."""
        derive_key(deployment_key, "check")
        return cls(deployment_key, {})

    @classmethod
    def from_namespaces(cls, keys: Mapping[str, bytes]) -> Self:
        """Hold only these namespaces' keys, as `namespace_key` of the full set gave them."""
        for namespace, key in keys.items():
            if not is_namespace(namespace) or len(key) != _KEY_BYTES:
                raise ValueError(f"{namespace!r}: not a namespace with a key of {_KEY_BYTES} bytes")
        return cls(None, keys)

    def __repr__(self) -> str:
        held = "all namespaces" if self._deployment_key else ", ".join(sorted(self._keys))
        return f"<BlindIndexKeys of {held}>"

    def namespace_key(self, namespace: str) -> bytes:
        """Return the namespace's key, to be handed to a service that may hold it.

        Raises:
            UnknownNamespace: no such namespace, or not held here.
        """
        key = self._keys.get(namespace)
        if key is not None:
            return key
        if self._deployment_key is None or not is_namespace(namespace):
            raise UnknownNamespace(namespace)
        key = derive_key(self._deployment_key, f"blind-index/{namespace}")
        self._keys[namespace] = key
        return key

    def blind_index(self, namespace: str, normalised: str) -> bytes:
        """Return the 32-byte HMAC-SHA-256 of a value that `normalise` gave.

        Raises:
            UnknownNamespace: no such namespace, or not held here.
        """
        return hmac.digest(self.namespace_key(namespace), normalised.encode(), "sha256")
