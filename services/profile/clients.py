"""Calls to ingest: it alone can turn an identifier into its subject, and knows who belongs together."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import httpx
from pydantic import BaseModel, ValidationError

from services.profile import metrics
from services.profile.errors import InvalidLookup, ResolverAway

CACHE_SECONDS = 60.0
CACHED_MAX = 10_000
RETRY_AFTER_SECONDS = 2


class _Resolved(BaseModel):
    """What is read of ingest's answer."""

    subject_id: UUID


class Relative(BaseModel):
    """A customer who belongs together with another, as ingest tells it."""

    customer_id: UUID
    kind: str
    since: datetime


class _Relatives(BaseModel):
    """What is read of ingest's answer."""

    relations: list[Relative]


class _Refused(BaseModel):
    """What is read of ingest's refusal."""

    message: str


@dataclass(slots=True)
class IdentifierResolver:
    """Resolves identifiers through `POST /v1/subjects:resolve`; time-outs are the client's.

    Answers are kept for CACHE_SECONDS, refusals and failures are not. The value itself is kept in memory only as
    the key of the cache.
    """

    client: httpx.AsyncClient
    monotonic: Callable[[], float] = time.monotonic
    _known: dict[tuple[str, str], tuple[float, UUID]] = field(default_factory=dict)

    async def subject_of(self, namespace: str, value: str) -> UUID:
        """Return the subject of an identifier, whether anybody was seen under it or not.

        Raises InvalidLookup when it cannot stand for a person, ResolverAway when ingest does not answer.
        """
        key = (namespace, value)
        kept = self._known.get(key)
        if kept is not None and kept[0] > self.monotonic():
            metrics.RESOLVE.labels("cached").inc()
            return kept[1]
        subject_id = await self._ask(namespace, value)
        if len(self._known) >= CACHED_MAX:
            self._known.clear()
        self._known[key] = (self.monotonic() + CACHE_SECONDS, subject_id)
        return subject_id

    async def _ask(self, namespace: str, value: str) -> UUID:
        try:
            answer = await self.client.post("/v1/subjects:resolve", json={"namespace": namespace, "value": value})
        except httpx.HTTPError as error:
            raise self._away() from error
        if answer.status_code in {httpx.codes.BAD_REQUEST, httpx.codes.UNPROCESSABLE_ENTITY}:
            metrics.RESOLVE.labels("refused").inc()
            raise InvalidLookup(_message(answer), field="/value")
        if answer.status_code != httpx.codes.OK:
            raise self._away()
        try:
            subject_id = _Resolved.model_validate_json(answer.content).subject_id
        except ValidationError as error:
            raise self._away() from error
        metrics.RESOLVE.labels("resolved").inc()
        return subject_id

    async def relatives_of(self, subject_id: UUID) -> list[Relative]:
        """Return who belongs together with a subject's customer, asked anew each time.

        Raises ResolverAway when ingest does not answer.
        """
        try:
            answer = await self.client.get(f"/v1/subjects/{subject_id}/relations")
        except httpx.HTTPError as error:
            raise self._away() from error
        if answer.status_code == httpx.codes.NOT_FOUND:
            return []
        if answer.status_code != httpx.codes.OK:
            raise self._away()
        try:
            return _Relatives.model_validate_json(answer.content).relations
        except ValidationError as error:
            raise self._away() from error

    @staticmethod
    def _away() -> ResolverAway:
        metrics.RESOLVE.labels("away").inc()
        return ResolverAway(
            "identifiers cannot be looked up for the moment; ask again, or ask by customer_id",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )


def _message(answer: httpx.Response) -> str:
    try:
        return _Refused.model_validate_json(answer.content).message
    except ValidationError:
        return "this identifier cannot stand for a person"
