"""Calls to the services that apply erasures: how far each is. Time-outs are the client's: 5 s, 2 s to connect."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import TransientError


class Applied(BaseModel):
    """What a service says of an erasure."""

    model_config = ConfigDict(extra="ignore")

    subject_ids: Sequence[UUID]
    applied_at: datetime | None


@dataclass(frozen=True, slots=True)
class ErasurePeer:
    """One service that holds data of people."""

    client: httpx.AsyncClient

    async def applied(self, erasure_id: UUID) -> Applied:
        """Return how far the service is. Raises TransientError when it does not answer, or not as one of ours."""
        try:
            answer = await self.client.get(f"/v1/erasures/{erasure_id}/state")
            answer.raise_for_status()
            return Applied.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise TransientError(f"{self.client.base_url}: {type(error).__name__}: {error}") from error
