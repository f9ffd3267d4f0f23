"""Calls to ingest, the only place that knows contact data."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

import httpx
from pydantic import BaseModel, ConfigDict, ValidationError

from shared.errors import TransientError

REVEALED_AT_ONCE = 500


class _Contact(BaseModel):
    model_config = ConfigDict(extra="ignore")

    field: str
    value: str


class _Revealed(BaseModel):
    model_config = ConfigDict(extra="ignore")

    customer_id: UUID
    contacts: list[_Contact]


class _RevealedPage(BaseModel):
    model_config = ConfigDict(extra="ignore")

    customers: list[_Revealed]


@dataclass(frozen=True, slots=True)
class Ingest:
    """Ingest's HTTP API, as far as campaign's messages need it. Time-outs are the client's: 5 s, 2 s to connect."""

    client: httpx.AsyncClient

    async def email_addresses(self, customer_ids: Sequence[UUID]) -> Mapping[UUID, str]:
        """Return the e-mail address of each customer who has one; every reading is recorded there.

        Raises TransientError when ingest does not answer.
        """
        found: dict[UUID, str] = {}
        for start in range(0, len(customer_ids), REVEALED_AT_ONCE):
            for revealed in await self._reveal(customer_ids[start : start + REVEALED_AT_ONCE]):
                addresses = [contact.value for contact in revealed.contacts if contact.field == "email"]
                if addresses:
                    found[revealed.customer_id] = addresses[0]
        return found

    async def _reveal(self, customer_ids: Sequence[UUID]) -> Sequence[_Revealed]:
        body = {"customer_ids": [str(customer_id) for customer_id in customer_ids], "purpose": "campaign e-mail"}
        try:
            answer = await self.client.post("/v1/contacts:reveal", json=body)
            answer.raise_for_status()
            return _RevealedPage.model_validate_json(answer.content).customers
        except (httpx.HTTPError, ValidationError) as error:
            raise TransientError(f"contacts cannot be read: {type(error).__name__}") from error
