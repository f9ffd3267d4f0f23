"""`POST /v1/subjects:resolve` and `POST /v1/contacts:reveal`: from a phone number to a customer, and back."""

from typing import Annotated

from fastapi import Depends

from services.ingest.api.dependencies import IngestDep
from services.ingest.handlers import finding
from services.ingest.schemas.identities import ContactOut, ResolveIn, ResolveOut, RevealedOut, RevealIn, RevealOut
from shared.http.auth import requires
from shared.http.body import Router
from shared.keys import Caller

router = Router(tags=["identities"])

Resolver = Annotated[Caller, Depends(requires("identity:resolve"))]
Revealer = Annotated[Caller, Depends(requires("pii:read"))]


@router.post("/v1/subjects:resolve")
async def resolve_subject(asked: ResolveIn, ingest: IngestDep, _caller: Resolver) -> ResolveOut:
    """Return the subject of an identifier, and the customer whose it is now."""
    found = await finding.resolve(
        ingest.database,
        ingest.secrets,
        asked.namespace,
        asked.value,
        ingest.settings.region,
        await ingest.closed.now(),
    )
    return ResolveOut(subject_id=found.subject_id, customer_id=found.customer_id, is_known=found.is_known)


@router.post("/v1/contacts:reveal")
async def reveal_contacts(asked: RevealIn, ingest: IngestDep, caller: Revealer) -> RevealOut:
    """Open the contact data of customers for a stated purpose; who asked is recorded."""
    found = await finding.reveal(ingest.database, ingest.vault, caller, asked.customer_ids, asked.purpose)
    return RevealOut(
        customers=[
            RevealedOut(customer_id=customer_id, contacts=[ContactOut.model_validate(one) for one in contacts])
            for customer_id, contacts in found.items()
        ]
    )
