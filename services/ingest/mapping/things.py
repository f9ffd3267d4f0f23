"""Products, prices, stock, stores and staff."""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from services.ingest.domain.digests import content_digest
from services.ingest.domain.quality import gtin_14
from services.ingest.domain.times import check_moment
from services.ingest.drafts import Draft, Item
from services.ingest.mapping.contents import said_by
from services.ingest.mapping.people import at_ms_of, key_of
from services.ingest.mapping.reading import Drafting, check_size, read
from services.ingest.mapping.standard import gtin_of
from services.ingest.schemas.things import ThingIn
from shared.events import EventData
from shared.events.products import (
    PriceChangedV1,
    ProductChangedV1,
    StaffChangedV1,
    StockChangedV1,
    StoreChangedV1,
)
from shared.identity import thing_subject_id

GTINS_MAX = 20
CATALOGUE: Mapping[str, tuple[type[EventData], str, str]] = {
    "products": (ProductChangedV1, "product", "product_id"),
    "prices": (PriceChangedV1, "product", "product_id"),
    "stock": (StockChangedV1, "product", "product_id"),
    "stores": (StoreChangedV1, "store", "store_id"),
    "staff": (StaffChangedV1, "staff", "staff_id"),
}
"""Route → event, kind of thing, the field that names the thing."""


def drafting_of(kind: str) -> Drafting:
    """Return how one item of `/v1/catalogue/KIND` is understood."""
    event_class, thing, id_field = CATALOGUE[kind]

    def draft(item: Item) -> Draft:
        check_size(item)
        about = read(ThingIn, item.fields)
        fields = _with_gtins(item.fields) if thing == "product" else item.fields
        data = read(event_class, fields)
        subject_id = thing_subject_id(thing, getattr(data, id_field))
        return _draft(item, kind, about, data, subject_id)

    return draft


def _with_gtins(fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a product's fields with its GTINs in 14 digits each. Raises Refused for one that is none."""
    said = fields.get("gtins", fields.get("gtin"))
    if said is None:
        return fields
    listed = said if isinstance(said, list) else [said]
    field = "/gtins" if "gtins" in fields else "/gtin"
    return {**fields, "gtins": [gtin_14(gtin_of(one, field)) for one in listed[: GTINS_MAX + 1]]}


def _draft(item: Item, kind: str, about: ThingIn, data: EventData, subject_id: UUID) -> Draft:
    context = item.context
    occurred_at = about.occurred_at or context.received_at
    check_moment(occurred_at, context.received_at, "/occurred_at")
    content = content_digest(context.secrets.contents, (kind.encode(), said_by(data)))
    return Draft(
        place=item.place,
        context=item.context,
        kind=kind,
        key=key_of(about.message_id, about.occurred_at, content, context),
        at_ms=at_ms_of(about.occurred_at),
        occurred_at=occurred_at,
        content=content,
        original=item.original,
        says=lambda _: [data],
        message_id=about.message_id,
        subject_id=subject_id,
        store_id=getattr(data, "store_id", None),
    )
