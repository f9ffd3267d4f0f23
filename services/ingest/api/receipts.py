"""`POST /v1/receipts`: what tills send."""

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of, items_of
from services.ingest.api.dependencies import WRITES, IngestDep, Writer, ingest_of, source_of
from services.ingest.drafts import Secrets
from services.ingest.mapping.reading import draft_each
from services.ingest.mapping.receipts import KIND, draft_receipt, till_key_of_item
from services.ingest.schemas.receipts import RECEIPT_EXAMPLE, ReceiptIn, ReceiptsIn
from services.ingest.schemas.results import ResultsOut
from shared.http.direct import Endpoint
from shared.identity import receipt_id_for

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
    items = items_of(await document_of(request), "receipts")
    context = ingest.context(source_of(caller))
    inputs = draft_each(items, KIND, context, draft_receipt, lambda item: _lookup(item, ingest.secrets))
    return answer(await ingest.acceptor.accept(inputs))


async def _record_directly(request: Request) -> Response:
    return await record_receipts(request, await WRITES(request), await ingest_of(request))


DIRECT: Mapping[str, Endpoint] = {"/v1/receipts": _record_directly}


def _lookup(item: Mapping[str, Any], secrets: Secrets) -> str | None:
    """Return the message_id that a refused receipt would have had, where its key can be read."""
    key = till_key_of_item(item)
    return None if key is None else str(receipt_id_for(key, secrets.event_ids))
