"""`POST /v1/receipts`: what tills send."""

import io
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response

from services.ingest.api.answers import answer, body_of
from services.ingest.api.bodies import document_of, items_of, plain_of
from services.ingest.api.dependencies import WRITES, Ingest, IngestDep, Writer, ingest_of, source_of
from services.ingest.api.limits import ITEMS_MAX
from services.ingest.domain.cells import CellRules
from services.ingest.errors import MalformedBody, UnreadableItems
from services.ingest.handlers.files.judging import Judge
from services.ingest.mapping.files import poslog
from services.ingest.mapping.files.rows import UnreadableFile
from services.ingest.mapping.kinds import receipt_message_id
from services.ingest.mapping.reading import draft_each
from services.ingest.mapping.receipts import KIND, draft_receipt
from services.ingest.schemas.receipts import POSLOG_EXAMPLE, RECEIPT_EXAMPLE, ReceiptIn, ReceiptsIn
from services.ingest.schemas.results import ResultsOut
from shared.http.direct import Endpoint
from shared.keys import Caller

router = APIRouter(tags=["receipts"])

_XML = frozenset({"application/xml", "text/xml"})


def with_xml(described: dict[str, Any]) -> dict[str, Any]:
    """Add to a body's description that a POSLog is taken too."""
    described["requestBody"]["content"]["application/xml"] = {"schema": {"type": "string"}, "example": POSLOG_EXAMPLE}
    return described


@router.post(
    "/v1/receipts",
    response_model=ResultsOut,
    openapi_extra=with_xml(body_of(ReceiptIn, ReceiptsIn, example=RECEIPT_EXAMPLE)),
)
async def record_receipts(request: Request, caller: Writer, ingest: IngestDep) -> Response:
    """Record one receipt, or up to 500 as `{"receipts": [...]}`; each is judged alone.

    200 comes after they are stored for good. The till's key (store, terminal, business day, sequence number)
    makes a receipt unique for ever: sending it again is a `repeat` and changes nothing. A POSLog of up to 500
    transactions is taken as `application/xml`; one result comes for each retail transaction.
    """
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() in _XML:
        return await _record_poslog(request, caller, ingest)
    document = await document_of(request)
    items = _completed(items_of(document, "receipts"), document)
    source = source_of(caller)
    await ingest.admit(source, len(items))
    context = await ingest.context_of(source, None, items)
    inputs = draft_each(items, KIND, context, draft_receipt, lambda item: receipt_message_id(item, ingest.secrets))
    ingest.clocks.see(inputs, context.received_at)
    return answer(await ingest.acceptor.accept(inputs))


async def _record_poslog(request: Request, caller: Caller, ingest: Ingest) -> Response:
    """Record the retail transactions of a POSLog. Raises MalformedBody, UnreadableItems."""
    body = plain_of(await request.body(), request.headers.get("content-encoding", ""))
    rules = CellRules(ingest.settings.currency, ZoneInfo(ingest.settings.time_zone))
    try:
        entries = list(islice(poslog.entries(io.BytesIO(body), rules), ITEMS_MAX + 1))
    except UnreadableFile as error:
        raise MalformedBody(f"the body {error}") from error
    if len(entries) > ITEMS_MAX:
        raise UnreadableItems(f"holds more than {ITEMS_MAX} transactions; send it as a file: POST /v1/imports")
    source = source_of(caller)
    await ingest.admit(source, len(entries))
    context = await ingest.context_of(source, None, [entry.item for entry in entries])
    judge = Judge(KIND, context, b"", None)
    judged = [judge.judged(entry, place) for place, entry in enumerate(entries)]
    return answer(await ingest.acceptor.accept(judged))


async def _record_directly(request: Request) -> Response:
    return await record_receipts(request, await WRITES(request), await ingest_of(request))


DIRECT: Mapping[str, Endpoint] = {"/v1/receipts": _record_directly}


def _completed(items: Sequence[Any], document: object) -> Sequence[Any]:
    """Give receipts the time at which all of them were sent."""
    sent_at = document.get("sent_at") if isinstance(document, Mapping) and "receipts" in document else None
    if sent_at is None:
        return items
    return [{"sent_at": sent_at, **item} if isinstance(item, Mapping) else item for item in items]
