"""Whose an identifier is: derived where its key is held, else asked of ingest, the only one to know generations."""

from dataclasses import dataclass, field
from typing import Protocol
from uuid import UUID

import orjson
from cachetools import TTLCache
from prometheus_client import Counter

from shared.errors import InvalidInput, Unavailable
from shared.http.peer import Answer, PeerAway
from shared.identity import (
    BlindIndexKeys,
    InvalidIdentifier,
    UnknownNamespace,
    is_namespace,
    normalise,
    subject_id_for,
)

CACHE_SECONDS = 60.0
"""Whose an identifier is may change; nobody is answered from what was true longer ago."""
CACHED_MAX = 10_000
RETRY_AFTER_SECONDS = 2
PATH = "/v1/subjects:resolve"
_OK = 200
_REFUSED = frozenset({400, 422})

RESOLVED = Counter(
    "subjects_resolved_total",
    "Identifiers turned into subjects; outcome: derived, cached, asked, refused, away.",
    ("service", "outcome"),
)


class InvalidLookup(InvalidInput):
    """The identifier cannot stand for a person."""

    code = "invalid_identifier"


class ResolverAway(Unavailable):
    """Ingest, the only one to resolve this identifier, does not answer."""

    code = "resolver_away"


class Asking(Protocol):
    """Puts a question to ingest. Raises PeerAway."""

    async def ask(self, method: str, path: str, document: object = None) -> Answer: ...


def _no_keys() -> BlindIndexKeys:
    return BlindIndexKeys.from_namespaces({})


def _cache() -> TTLCache[tuple[str, str], UUID]:
    return TTLCache(CACHED_MAX, CACHE_SECONDS)


@dataclass(frozen=True, slots=True)
class SubjectResolver:
    """Turns identifiers into subjects for one service; `pointer` is where its callers wrote the value (RFC 6901).

    Loyalty cards and user ids are never issued again: who holds their keys derives their subjects. Others are asked
    for; answers are kept for CACHE_SECONDS, refusals and failures are not. A value is kept in memory only as the key
    of that cache.
    """

    service: str
    ingest: Asking
    pointer: str
    keys: BlindIndexKeys = field(default_factory=_no_keys)
    known: TTLCache[tuple[str, str], UUID] = field(default_factory=_cache)

    async def subject_of(self, namespace: str, value: str) -> UUID:
        """Return the subject of an identifier, whether anybody was seen under it or not.

        Raises InvalidLookup when it cannot stand for a person, ResolverAway when ingest must be asked and does not
        answer in time.
        """
        try:
            self.keys.namespace_key(namespace)
        except UnknownNamespace:
            if is_namespace(namespace):
                return await self._kept_or_asked(namespace, value)
        return self._derived(namespace, value)

    def _derived(self, namespace: str, value: str) -> UUID:
        try:
            subject_id = subject_id_for(namespace, self.keys.blind_index(namespace, normalise(namespace, value)))
        except InvalidIdentifier as invalid:
            message = f"{invalid.field} {invalid.reason}; {invalid.cure}"
            raise self._refusal(message, self._pointer_to(invalid.field)) from None
        self._count("derived")
        return subject_id

    async def _kept_or_asked(self, namespace: str, value: str) -> UUID:
        kept = self.known.get((namespace, value))
        if kept is not None:
            self._count("cached")
            return kept
        subject_id = await self._asked(namespace, value)
        self.known[namespace, value] = subject_id
        self._count("asked")
        return subject_id

    async def _asked(self, namespace: str, value: str) -> UUID:
        try:
            answer = await self.ingest.ask("POST", PATH, {"namespace": namespace, "value": value})
        except PeerAway as error:
            raise self._away() from error
        if answer.status in _REFUSED:
            raise self._refusal(_message(answer))
        if answer.status != _OK:
            raise self._away()
        try:
            return UUID(orjson.loads(answer.body)["subject_id"])
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise self._away() from error

    def _refusal(self, message: str, pointer: str | None = None) -> InvalidLookup:
        self._count("refused")
        return InvalidLookup(message, field=pointer or self.pointer)

    def _pointer_to(self, name: str) -> str:
        """Return where the namespace stands: beside the value."""
        return f"{self.pointer.rpartition('/')[0]}/namespace" if name == "namespace" else self.pointer

    def _away(self) -> ResolverAway:
        self._count("away")
        return ResolverAway(
            "identifiers cannot be looked up for the moment; ask again, or ask by customer_id",
            retry_after_seconds=RETRY_AFTER_SECONDS,
        )

    def _count(self, outcome: str) -> None:
        RESOLVED.labels(self.service, outcome).inc()


def _message(answer: Answer) -> str:
    try:
        return str(orjson.loads(answer.body)["message"])
    except (ValueError, KeyError, TypeError):
        return "this identifier cannot stand for a person"
