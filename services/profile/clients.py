"""Calls to ingest, which alone knows who belongs together."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from pydantic import BaseModel, ValidationError

from shared.customers.resolver import Asking, ResolverAway
from shared.http.peer import PeerAway

RETRY_AFTER_SECONDS = 2
_OK = 200
_NOT_FOUND = 404


class Relative(BaseModel):
    """A customer who belongs together with another, as ingest tells it."""

    customer_id: UUID
    kind: str
    since: datetime


class _Relatives(BaseModel):
    """What is read of ingest's answer."""

    relations: list[Relative]


@dataclass(frozen=True, slots=True)
class Relations:
    """Asks ingest for relations, anew each time."""

    ingest: Asking

    async def relatives_of(self, subject_id: UUID) -> list[Relative]:
        """Return who belongs together with a subject's customer. Raises ResolverAway when ingest does not answer."""
        try:
            answer = await self.ingest.ask("GET", f"/v1/subjects/{subject_id}/relations")
        except PeerAway as error:
            raise _away() from error
        if answer.status == _NOT_FOUND:
            return []
        if answer.status != _OK:
            raise _away()
        try:
            return _Relatives.model_validate_json(answer.body).relations
        except ValidationError as error:
            raise _away() from error


def _away() -> ResolverAway:
    return ResolverAway(
        "who belongs together cannot be looked up for the moment; ask again", retry_after_seconds=RETRY_AFTER_SECONDS
    )
