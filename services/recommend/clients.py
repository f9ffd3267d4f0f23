"""Turning an identifier into its subject: by own keys where they may be held, else by asking ingest."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from uuid import UUID

import httpx

from services.recommend import metrics
from services.recommend.errors import InvalidLookup
from shared.identity import BlindIndexKeys, InvalidIdentifier, UnknownNamespace, normalise, subject_id_for

CACHE_SECONDS = 60.0
CACHED_MAX = 10_000
_REFUSED = frozenset({httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY})


@dataclass(slots=True)
class IdentifierResolver:
    """Resolves identifiers within `timeout_seconds`.

    Loyalty cards and user ids are never re-issued: their subject is derived here. Phones, e-mail addresses and
    WeChat ids are asked of `POST /v1/subjects:resolve`; answers are kept for CACHE_SECONDS, refusals and failures are
    not. A value is kept in memory only as the key of the cache.
    """

    client: httpx.AsyncClient
    keys: BlindIndexKeys
    timeout_seconds: float
    monotonic: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str], tuple[float, UUID]] = field(default_factory=dict)

    async def subject_of(self, namespace: str, value: str) -> UUID | None:
        """Return the subject of an identifier, seen or not; None where ingest must be asked and does not answer.

        Raises InvalidLookup when it cannot stand for a person.
        """
        try:
            text = normalise(namespace, value)
            return subject_id_for(namespace, self.keys.blind_index(namespace, text))
        except UnknownNamespace:
            return await self._resolved(namespace, value)
        except InvalidIdentifier as invalid:
            if invalid.field == "phone":  # a number without its country: ingest knows the chain's region
                return await self._resolved(namespace, value)
            raise InvalidLookup(f"{invalid.reason}; {invalid.cure}", field="/identifier/value") from None

    async def _resolved(self, namespace: str, value: str) -> UUID | None:
        key = (namespace, value)
        kept = self._known.get(key)
        if kept is not None and kept[0] > self.monotonic():
            metrics.RESOLVE.labels("cached").inc()
            return kept[1]
        subject_id = await self._asked(namespace, value)
        if subject_id is not None:
            if len(self._known) >= CACHED_MAX:
                self._known.clear()
            self._known[key] = (self.monotonic() + CACHE_SECONDS, subject_id)
        return subject_id

    async def _asked(self, namespace: str, value: str) -> UUID | None:
        asked = {"namespace": namespace, "value": value}
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await self.client.post("/v1/subjects:resolve", json=asked)
            if answer.status_code in _REFUSED:
                metrics.RESOLVE.labels("refused").inc()
                raise InvalidLookup(str(answer.json()["message"]), field="/identifier/value")
            subject_id = UUID(answer.raise_for_status().json()["subject_id"])
        except (httpx.HTTPError, TimeoutError, ValueError, KeyError, TypeError):
            metrics.RESOLVE.labels("away").inc()
            return None
        metrics.RESOLVE.labels("resolved").inc()
        return subject_id
