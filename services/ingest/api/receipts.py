"""`POST /v1/receipts`: what tills send."""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import APIRouter, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of, items_of
from services.ingest.api.dependencies import WRITES, IngestDep, Writer, ingest_of, source_of
from services.ingest.mapping.kinds import receipt_message_id
from services.ingest.mapping.reading import draft_each
from services.ingest.mapping.receipts import KIND, draft_receipt
from services.ingest.schemas.receipts import RECEIPT_EXAMPLE, ReceiptIn, ReceiptsIn
from services.ingest.schemas.results import ResultsOut
from shared.http.direct import Endpoint

router = APIRouter(tags=["receipts"])


@router.post(
    "/v1/receipts",
    response_model=ResultsOut,
    openapi_extra=body_of(ReceiptIn, ReceiptsIn, example=RECEIPT_EXAMPLE),
)
async def record_receipts(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record one receipt, or up to 500 as `{"receipts": [...]}`; each is judged alone.

    200 comes after they are stored for good. The till's key (store, terminal, business day, sequence number)
    makes a receipt unique for ever: sending it again is a `repeat` and changes nothing.
    """
    document = await document_of(request)
    items = _completed(items_of(document, "receipts"), document)
    context = await ingest.context_of(source_of(caller), None, items)
    inputs = draft_each(items, KIND, context, draft_receipt, lambda item: receipt_message_id(item, ingest.secrets))
    ingest.clocks.see(inputs, context.received_at)
    return answer(await ingest.acceptor.accept(inputs))


async def _record_directly(request: Request) -> Response:
    return await record_receipts(request, await WRITES(request), await ingest_of(request))


DIRECT: Mapping[str, Endpoint] = {"/v1/receipts": _record_directly}


def _completed(items: Sequence[Any], document: object) -> Sequence[Any]:
    """Give receipts the time at which all of them were sent."""
    sent_at = document.get("sent_at") if isinstance(document, Mapping) and "receipts" in document else None
    if sent_at is None:
        return items
    return [{"sent_at": sent_at, **item} if isinstance(item, Mapping) else item for item in items]
