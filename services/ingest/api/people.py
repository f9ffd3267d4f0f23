"""`POST /v1/customers`, `/v1/consents`, `/v1/feedback`: what the retailer's systems know of people."""

from typing import Any

from fastapi import APIRouter, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of, items_of
from services.ingest.api.dependencies import Ingest, IngestDep, Writer, source_of
from services.ingest.mapping.people import draft_consent, draft_customer, draft_feedback
from services.ingest.mapping.reading import Drafting, draft_each, own_message_id
from services.ingest.mapping.things import CATALOGUE, drafting_of
from services.ingest.schemas.people import (
    CUSTOMER_EXAMPLE,
    FEEDBACK_EXAMPLE,
    CustomerIn,
    FeedbackIn,
    PersonalConsentIn,
)
from services.ingest.schemas.results import ResultsOut
from services.ingest.schemas.things import PRODUCT_EXAMPLE, ThingIn
from shared.keys import Caller

router = APIRouter()


@router.post(
    "/v1/customers",
    response_model=ResultsOut,
    tags=["customers"],
    openapi_extra=body_of(CustomerIn, example=CUSTOMER_EXAMPLE),
)
async def record_customers(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record customers, one or up to 500 as `{"customers": [...]}`: identifiers of one are linked."""
    return await _record(request, caller, ingest, "customers", draft_customer)


@router.post("/v1/consents", response_model=ResultsOut, tags=["customers"], openapi_extra=body_of(PersonalConsentIn))
async def record_consents(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record permissions given or taken back, one or up to 500 as `{"consents": [...]}`."""
    return await _record(request, caller, ingest, "consents", draft_consent)


@router.post(
    "/v1/feedback",
    response_model=ResultsOut,
    tags=["customers"],
    openapi_extra=body_of(FeedbackIn, example=FEEDBACK_EXAMPLE),
)
async def record_feedback(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record surveys, reviews, complaints, inquiries and mentions, one or up to 500 as `{"feedback": [...]}`."""
    return await _record(request, caller, ingest, "feedback", draft_feedback)


def _recording(kind: str) -> Any:  # noqa: ANN401 (a route's endpoint)
    drafting = drafting_of(kind)

    async def record(request: Request, caller: Writer, ingest: IngestDep) -> Response:
        return await _record(request, caller, ingest, kind, drafting)

    event_type = CATALOGUE[kind][0].event_type
    record.__doc__ = f'Record {kind}, one or up to 500 as `{{"{kind}": [...]}}`; fields are those of {event_type}.'
    return record


for _kind in CATALOGUE:
    router.add_api_route(
        f"/v1/catalogue/{_kind}",
        _recording(_kind),
        methods=["POST"],
        tags=["catalogue"],
        name=f"record_{_kind}",
        response_model=ResultsOut,
        openapi_extra=body_of(CATALOGUE[_kind][0], ThingIn, example=PRODUCT_EXAMPLE if _kind == "products" else None),
    )


async def _record(request: Request, caller: Caller, ingest: Ingest, kind: str, drafting: Drafting) -> Response:
    items = items_of(await document_of(request), kind)
    source = source_of(caller)
    await ingest.admit(source, len(items))
    context = ingest.context(source)
    inputs = draft_each(items, kind, context, drafting, own_message_id)
    return answer(await ingest.acceptor.accept(inputs))
