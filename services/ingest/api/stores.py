"""`POST /v1/store-counts` and `/v1/shown-prices`: what sensors count and price tags show in stores."""

from fastapi import APIRouter, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of, items_of
from services.ingest.api.dependencies import Ingest, IngestDep, Writer, source_of
from services.ingest.mapping.reading import Drafting, draft_each, own_message_id
from services.ingest.mapping.stores import COUNTS, SHOWN_PRICES, draft_count, draft_shown_price
from services.ingest.schemas.results import ResultsOut
from services.ingest.schemas.stores import SHOWN_PRICE_EXAMPLE, STORE_COUNT_EXAMPLE, ShownPriceIn, StoreCountIn
from shared.events.stores import PriceShownV1, StoreCountedV1
from shared.keys import Caller

router = APIRouter(tags=["stores"])


@router.post(
    "/v1/store-counts",
    response_model=ResultsOut,
    openapi_extra=body_of(StoreCountedV1, StoreCountIn, example=STORE_COUNT_EXAMPLE),
)
async def record_store_counts(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record what Wi-Fi, video, doors and self-checkouts counted, one or up to 500 as `{"store_counts": [...]}`.

    Counts per zone and interval of a minute or more; a field that could tell a person or device is refused.
    """
    return await _record(request, caller, ingest, COUNTS, draft_count)


@router.post(
    "/v1/shown-prices",
    response_model=ResultsOut,
    openapi_extra=body_of(PriceShownV1, ShownPriceIn, example=SHOWN_PRICE_EXAMPLE),
)
async def record_shown_prices(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record what electronic price tags show and since when, one or up to 500 as `{"shown_prices": [...]}`."""
    return await _record(request, caller, ingest, SHOWN_PRICES, draft_shown_price)


async def _record(request: Request, caller: Caller, ingest: Ingest, kind: str, drafting: Drafting) -> Response:
    items = items_of(await document_of(request), kind)
    source = source_of(caller)
    await ingest.admit(source, len(items))
    context = ingest.context(source)
    return answer(await ingest.acceptor.accept(draft_each(items, kind, context, drafting, own_message_id)))
