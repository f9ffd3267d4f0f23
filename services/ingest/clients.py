"""Calls to the services that hold data of people: how far an erasure is, all that they hold of a customer.

Time-outs are the client's: 5 s, 2 s to connect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
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
class HoldingPeer:
    """One service that holds data of people."""

    client: httpx.AsyncClient

    async def held(self, customer_id: UUID, purpose: str) -> dict[str, Any]:
        """Return all that the service holds of a customer. Raises TransientError when it does not answer."""
        try:
            answer = await self.client.get(f"/v1/customers/{customer_id}/export", params={"purpose": purpose})
            answer.raise_for_status()
            held = answer.json()
            if not isinstance(held, dict):
                raise ValueError("no JSON object")  # noqa: TRY301, TRY004 (as any other answer that is not ours)
        except (httpx.HTTPError, ValueError) as error:
            raise TransientError(f"{self.client.base_url}: {type(error).__name__}: {error}") from error
        return held

    async def applied(self, erasure_id: UUID) -> Applied:
        """Return how far the service is. Raises TransientError when it does not answer, or not as one of ours."""
        try:
            answer = await self.client.get(f"/v1/erasures/{erasure_id}/state")
            answer.raise_for_status()
            return Applied.model_validate_json(answer.content)
        except (httpx.HTTPError, ValidationError) as error:
            raise TransientError(f"{self.client.base_url}: {type(error).__name__}: {error}") from error
