"""`/v1/webhooks/shopify/{source_id}`: what a Shopify shop tells of its orders, refunds and customers."""

from typing import Annotated

from fastapi import APIRouter, Depends, Header, Path, Request, Response

from services.ingest.api.answers import answer
from services.ingest.api.bodies import parsed
from services.ingest.api.dependencies import Admin, IngestDep
from services.ingest.errors import MalformedBody
from services.ingest.mapping.shopify import TOPICS, drafts_of, pieces_of
from services.ingest.schemas.results import ResultsOut
from services.ingest.schemas.webhooks import WebhookIn
from shared.http.auth import public
from shared.http.body import Router

router = APIRouter(tags=["webhooks"])
connecting = Router(tags=["webhooks"])

PROVIDER = "shopify"
WEBHOOK_ID_CHARS_MAX = 128
SourceId = Annotated[str, Path(max_length=64, description="the source, of kind server, that the shop is")]
_EXAMPLE = {
    "id": 820982911946154508,
    "created_at": "2026-03-01T09:30:00+08:00",
    "currency": "CNY",
    "total_price": "28.05",
    "customer": {"id": 115310627314723954, "email": "chen@example.com"},
    "line_items": [{"sku": "P100", "quantity": 2, "price": "10.00"}],
}
_BODY = {
    "requestBody": {
        "required": True,
        "description": "as Shopify sends it; the signature is of these very bytes",
        "content": {"application/json": {"schema": {"type": "object"}, "example": _EXAMPLE}},
    }
}


@connecting.put("/v1/webhooks/shopify/{source_id}", status_code=204)
async def connect_shopify(source_id: SourceId, asked: WebhookIn, ingest: IngestDep, _caller: Admin) -> None:
    """Keep the secret that a shop signs its webhooks with; the one before it holds until the next change."""
    await ingest.webhooks.connect(PROVIDER, source_id, asked.secret.get_secret_value(), ingest.clock.now())


@router.post(
    "/v1/webhooks/shopify/{source_id}",
    response_model=ResultsOut,
    openapi_extra=_BODY,
    dependencies=[Depends(public("guarded by the shop's signature"))],
)
async def take_shopify(  # noqa: PLR0913, PLR0917 (headers, each with its own document)
    request: Request,
    ingest: IngestDep,
    source_id: SourceId,
    signature: Annotated[str | None, Header(alias="X-Shopify-Hmac-Sha256")] = None,
    topic: Annotated[str | None, Header(alias="X-Shopify-Topic")] = None,
    webhook_id: Annotated[str | None, Header(alias="X-Shopify-Webhook-Id")] = None,
) -> Response:
    """Take one webhook: an order is a sale once, whichever webhook tells of it; a refund is its return.

    Topics: orders/create, orders/paid, orders/updated, orders/cancelled, refunds/create, customers/create,
    customers/update. Any other is answered 200 and left out, since Shopify gives up a shop that answers otherwise.
    """
    body = await request.body()
    source = await ingest.webhooks.sender(PROVIDER, source_id, body, signature)
    if topic not in TOPICS:
        return answer([], ignored=topic)
    document = parsed(body)
    if not isinstance(document, dict):
        raise MalformedBody("the body is not a JSON object")
    number = webhook_id if webhook_id and len(webhook_id) <= WEBHOOK_ID_CHARS_MAX else None
    await ingest.admit(source, 1)
    pieces = pieces_of(topic, document, number)
    context = await ingest.context_of(source, None, pieces)
    return answer(await ingest.acceptor.accept(drafts_of(pieces, context)))
