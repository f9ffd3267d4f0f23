"""Webhooks of other systems: their secrets, kept sealed, and whether a body was signed with one of them."""

import base64
import hashlib
import hmac
import time
from collections import OrderedDict
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from services.ingest.domain.sealing import seal, unseal
from services.ingest.domain.sources import Source
from services.ingest.errors import SourceDisabled, SourceMayNot, SourceNotFound, WrongSignature
from services.ingest.store import sources, webhooks
from services.ingest.vault import Vault
from shared.db import Database

FRESH_SECONDS = 10.0
KEPT_MAX = 1000
_KEYS = UUID("6c0f5a1e-52b7-5f64-8a34-0d9a5b2c7f11")


@dataclass(slots=True)
class Webhooks:
    """The secrets of connected webhooks, opened for at most ten seconds."""

    database: Database
    vault: Vault
    _opened: OrderedDict[tuple[str, str], tuple[float, tuple[bytes, ...]]] = field(default_factory=OrderedDict)

    async def connect(self, provider: str, source_id: str, secret: str, at: datetime) -> None:
        """Seal and keep a secret. Raises SourceNotFound, SourceMayNot."""
        source = await self._source(source_id)
        if source is None:
            raise SourceNotFound(f"there is no source {source_id}", field="source_id")
        if not source.may_record_receipts:
            raise SourceMayNot("a public source records no orders; connect one of kind server", field="source_id")
        place = _place(provider, source_id)
        key = (await self.vault.keys_for({_key_id(place)}))[_key_id(place)]
        async with self.database.transaction() as tx:
            await webhooks.put_secret(tx, source_id, provider, seal(key, secret.encode(), place), at)
        self._opened.pop((provider, source_id), None)

    async def sender(self, provider: str, source_id: str, body: bytes, signature: str | None) -> Source:
        """Return the source that signed a body. Raises WrongSignature, SourceDisabled.

        A source that does not exist, or has no webhook, answers like one whose signature is wrong.
        """
        secrets = await self._secrets(provider, source_id)
        # Every secret is compared, so that the time taken tells nothing.
        matches = [_signed(secret, body, signature or "") for secret in secrets]
        source = await self._source(source_id) if any(matches) else None
        if source is None:
            raise WrongSignature(
                "the signature is not this webhook's; check the secret and that the body is unchanged"
            )
        if source.disabled_at is not None:
            raise SourceDisabled("this source was disabled")
        return source

    async def _secrets(self, provider: str, source_id: str) -> tuple[bytes, ...]:
        kept = self._opened.get((provider, source_id))
        if kept is not None and time.monotonic() - kept[0] < FRESH_SECONDS:
            return kept[1]
        found = await webhooks.secrets_of(self.database, source_id, provider)
        place = _place(provider, source_id)
        keys = await self.vault.existing_keys([_key_id(place)]) if found is not None else {}
        key = keys.get(_key_id(place))
        opened = (
            tuple(unseal(key, one, place) for one in found.sealed) if found is not None and key is not None else ()
        )
        self._opened[provider, source_id] = (time.monotonic(), opened)
        while len(self._opened) > KEPT_MAX:
            self._opened.popitem(last=False)
        return opened

    async def _source(self, source_id: str) -> Source | None:
        row = await sources.source_row(self.database, source_id)
        return None if row is None else row.source()


def _signed(secret: bytes, body: bytes, signature: str) -> bool:
    expected = base64.b64encode(hmac.new(secret, body, hashlib.sha256).digest())
    return hmac.compare_digest(expected, signature.strip().encode("utf-8", "replace"))


def _place(provider: str, source_id: str) -> str:
    return f"webhooks/{provider}/{source_id}"


def _key_id(place: str) -> UUID:
    return uuid5(_KEYS, place)
