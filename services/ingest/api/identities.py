"""From a phone number to a customer and back, and to whom that one belongs: what other services ask."""

from collections.abc import Mapping
from typing import Annotated
from uuid import UUID

import orjson
from fastapi import Depends, Path, Request, Response

from services.ingest.api.dependencies import IngestDep, ingest_of
from services.ingest.handlers.identity import explaining, recognising, relating
from services.ingest.handlers.privacy import revealing
from services.ingest.schemas.identities import (
    ContactOut,
    RelativeOut,
    RelativesOut,
    ResolveIn,
    ResolveOut,
    RevealedOut,
    RevealIn,
    RevealOut,
)
from shared.http.auth import requires
from shared.http.body import Router
from shared.http.direct import Endpoint, body_in
from shared.keys import Caller

router = Router(tags=["identities"])

RESOLVES = requires("identity:resolve")
Resolver = Annotated[Caller, Depends(RESOLVES)]
Revealer = Annotated[Caller, Depends(requires("pii:read"))]


@router.post("/v1/subjects:resolve", response_model=ResolveOut)
async def resolve_subject(asked: ResolveIn, ingest: IngestDep, _caller: Resolver) -> Response:
    """Return the subject of an identifier, and the customer whose it is now."""
    found = await recognising.resolve(
        ingest.database,
        ingest.secrets,
        asked.namespace,
        asked.value,
        ingest.settings.region,
        await ingest.closed.now(),
    )
    ids = {"subject_id": str(found.subject_id), "customer_id": str(found.customer_id)}
    return Response(orjson.dumps({**ids, "is_known": found.is_known}), media_type="application/json")


async def _resolve_directly(request: Request) -> Response:
    caller = await RESOLVES(request)
    return await resolve_subject(await body_in(request, ResolveIn), await ingest_of(request), caller)


DIRECT: Mapping[str, Endpoint] = {"/v1/subjects:resolve": _resolve_directly}


@router.get("/v1/subjects/{subject_id}/relations")
async def relatives_of_subject(
    subject_id: Annotated[UUID, Path(description="a customer, or one of its subjects")],
    ingest: IngestDep,
    _caller: Resolver,
) -> RelativesOut:
    """List who belongs together with a subject's customer, without saying who said so and why."""
    found = await explaining.identity_of(ingest.database, subject_id)
    rows = await relating.relations_of(ingest.database, found)
    return RelativesOut(
        customer_id=found.customer_id, relations=[RelativeOut.model_validate(dict(row)) for row in rows]
    )


@router.post("/v1/contacts:reveal")
async def reveal_contacts(asked: RevealIn, ingest: IngestDep, caller: Revealer) -> RevealOut:
    """Open the contact data of customers for a stated purpose; who asked is recorded."""
    found = await revealing.reveal(ingest.database, ingest.vault, caller, asked.customer_ids, asked.purpose)
    return RevealOut(
        customers=[
            RevealedOut(customer_id=customer_id, contacts=[ContactOut.model_validate(one) for one in contacts])
            for customer_id, contacts in found.items()
        ]
    )
