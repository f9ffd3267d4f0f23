"""Closed identifiers: whose owner was erased, and what the same identifier means in what comes later."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from services.ingest.domain.digests import content_digest
from services.ingest.domain.identifiers import Identifier


@dataclass(frozen=True, slots=True)
class Closed:
    """The last generation of an identifier that was erased, and when."""

    generation: int
    closed_at: datetime


def identifier_digest(secret: bytes, namespace: str, blind_index: bytes) -> bytes:
    """Return what is remembered of an erased identifier: it tells neither the value nor its blind index."""
    return content_digest(secret, (b"identifier", namespace.encode(), blind_index))


def still_open(
    identifiers: Iterable[Identifier], closed: Mapping[bytes, Closed], secret: bytes, occurred_at: datetime
) -> tuple[Identifier, ...]:
    """Return the identifiers that name somebody in an event of this moment.

    Cards and user ids die with their owner. A phone number, e-mail or the like is free again after the erasure: what
    occurs then is of its next generation, what occurred before is nobody's.
    """
    return tuple(
        left
        for one in identifiers
        if (left := _left(one, closed.get(identifier_digest(secret, one.namespace, one.blind_index)), occurred_at))
    )


def _left(identifier: Identifier, closed: Closed | None, occurred_at: datetime) -> Identifier | None:
    if closed is None:
        return identifier
    if not identifier.may_be_reissued or occurred_at < closed.closed_at:
        return None
    return replace(identifier, generation_min=closed.generation + 1)
