"""Shopify's webhooks as facts that we know: orders, refunds and cancellations as receipts, customers as customers.

An order is a sale once, whichever of its webhooks tells of it first; the document that was edited last replaces it.
Money goes back by refunds: a cancellation takes the order back only where nothing was refunded, else it would go back
twice.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, TypeGuard

from services.ingest.domain.faults import Refused
from services.ingest.domain.identifiers import Identified, identify
from services.ingest.domain.orders import OrderTold
from services.ingest.domain.times import check_moment
from services.ingest.drafts import Context, Draft, Item, Rejected
from services.ingest.mapping.messages import Message
from services.ingest.mapping.orders import CANCELLED, COMPLETED, REFUNDED
from services.ingest.mapping.people import draft_consent, draft_customer
from services.ingest.mapping.products import standard_products
from services.ingest.mapping.reading import MESSAGE_ID_CHARS_MAX, check_size, draft_each
from services.ingest.mapping.segment import order_draft

KIND = "shopify"
CUSTOMER_NAMESPACE = "external:shopify"
TOPICS = frozenset(
    {"orders/create", "orders/paid", "orders/updated", "orders/cancelled", "refunds/create"}
    | {"customers/create", "customers/update"}
)
_ADDRESS = ("address1", "address2", "zip", "city", "province", "country")
_CONSENTS = {"email_marketing_consent": "email", "sms_marketing_consent": "sms"}
_CONSENT_STATES = {"subscribed": "granted", "unsubscribed": "withdrawn"}
_LISTED_MAX = 2000
_SAID_AS: Mapping[str, str] = {
    "/properties/order_id": "/id",
    "/properties/total": "/total_price",
    "/properties/discount": "/total_discounts",
    "/properties/products": "/line_items",
    "/properties": "",
}
"""What an order's fields are called in Shopify's documents."""


Piece = dict[str, Any]
"""One fact that a webhook tells of, as it is kept and read again: which, its webhook's number, and its document."""


def pieces_of(topic: str, document: Mapping[str, Any], webhook_id: str | None) -> list[Piece]:
    """Return the facts that a webhook tells of; none for a topic that we do not take."""
    return list(_pieces(topic, document, webhook_id))


def drafts_of(pieces: Sequence[Piece], context: Context) -> list[Draft | Rejected]:
    """Understand them, each alone."""
    return draft_each(pieces, KIND, context, draft_piece, number_of)


def draft_piece(item: Item) -> Draft:
    """Understand one fact. Raises Refused, naming a field of the piece."""
    check_size(item)
    name, document = item.fields.get("shopify"), item.fields.get("document")
    drafting = _DRAFTING.get(name) if isinstance(name, str) else None
    if drafting is None:
        raise Refused("invalid_field", f"is none of {', '.join(_DRAFTING)}", "/shopify")
    if not isinstance(document, Mapping):
        raise Refused("invalid_field", "is not a JSON object", "/document")
    try:
        draft = drafting(Item(item.place, document, item.original, item.context), number_of(item.fields))
    except Refused as no:
        raise Refused(no.fault.code, no.fault.message, _in_document(no.fault.field or "")) from no
    return replace(draft, kind=KIND)


def number_of(piece: Mapping[str, Any]) -> str | None:
    """Return the number of a piece's webhook, which the piece can be asked for by."""
    found = piece.get("webhook_id")
    return found if isinstance(found, str) and 0 < len(found) <= MESSAGE_ID_CHARS_MAX else None


def _in_document(field: str) -> str:
    """Return a field as Shopify calls it."""
    part = next((name for name in _SAID_AS if field.startswith(name)), None)
    return "/document" + (field if part is None else field.replace(part, _SAID_AS[part], 1))


def _pieces(topic: str, document: Mapping[str, Any], webhook_id: str | None) -> Iterator[Piece]:
    if topic in {"orders/create", "orders/paid", "orders/updated"}:
        yield _piece("order", document, webhook_id)
    elif topic == "orders/cancelled":
        refunds = _paid_refunds(document)
        for refund in refunds:
            # Nothing of the order's is added: the same refund comes by its own webhook, and must say the same.
            yield _piece("refund", {**refund, "order_id": document.get("id")}, None)
        if not refunds:
            yield _piece("cancellation", document, webhook_id)
    elif topic == "refunds/create" and _transactions(document):
        yield _piece("refund", document, webhook_id)
    elif topic in {"customers/create", "customers/update"}:
        yield _piece("customer", document, webhook_id)
        for name in _CONSENTS:
            if isinstance(document.get(name), Mapping) and str(document[name].get("state")) in _CONSENT_STATES:
                yield _piece(name, document, None)


def _piece(name: str, document: Mapping[str, Any], webhook_id: str | None) -> Piece:
    return {"shopify": name, "webhook_id": webhook_id, "document": document}


def _listed(document: Mapping[str, Any], name: str) -> Sequence[Any]:
    found = document.get(name)
    return found[:_LISTED_MAX] if isinstance(found, list) else ()


def _draft_order(item: Item, webhook_id: str | None, name: str) -> Draft:
    if not item.context.source.may_record_receipts:
        raise Refused("source_may_not", "a public source cannot record orders; connect the shop to a server's")
    said = _refund(item.fields) if name == REFUNDED else _order(item.fields)
    properties, standardised = standard_products(said)
    message = Message(
        type="track",
        message_id=webhook_id,
        user_id=None,
        anonymous_id=None,
        name=name,
        properties=properties,
        traits=_buyer(item.fields),
        context={},
        said_at=None,
        occurred_at=_moment(item.fields, name, item.context),
    )
    draft = order_draft(item, message, _people(item.fields, item.context), contacts={})
    corrections = (*draft.corrections, *standardised)
    told = None if name == REFUNDED else _told(item.fields, name, message.occurred_at, item.context)
    return replace(
        draft, told=told, corrections=tuple(replace(one, field=_in_document(one.field)) for one in corrections)
    )


def _buyer(order: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return what an order tells of who bought; the name on a parcel may be another's."""
    buyer = order.get("customer")
    return {"first_name": buyer.get("first_name")} if isinstance(buyer, Mapping) else {}


def _told(order: Mapping[str, Any], name: str, moment: datetime, context: Context) -> OrderTold:
    """Say as of when a document of an order is: what was edited later replaces it."""
    edited_at = moment
    if order.get("updated_at"):
        edited_at = _read_moment(order["updated_at"], "/updated_at")
        check_moment(edited_at, context.received_at, "/updated_at")
    return OrderTold(str(order["id"]).strip(), edited_at, cancels=name == CANCELLED)


def _order(order: Mapping[str, Any]) -> dict[str, Any]:
    codes = [one.get("code") for one in _listed(order, "discount_codes") if isinstance(one, Mapping)]
    store = order.get("location_id") if order.get("source_name") == "pos" else None
    return {
        "order_id": order.get("id"),
        "total": _sold(order),
        "currency": order.get("currency"),
        "discount": order.get("total_discounts"),
        "coupon": codes[0] if codes else None,
        "store_id": store,
        "reason": order.get("cancel_reason"),
        "training": order.get("test") is True,
        "products": [
            _product(one, quantity)
            for one in _listed(order, "line_items")
            if _is_line(one) and (quantity := _sold_pieces(one, order)) != 0
        ],
    }


def _sold(order: Mapping[str, Any]) -> Any:  # noqa: ANN401 (checked where it is read)
    """Return what an order came to before money went back: what is left of it now, and what was paid back.

    So what an edit took out of it without paying anything back was never sold, and what is refunded is a return.
    """
    total, left = order.get("total_price"), order.get("current_total_price")
    if left is None or _was_given_up(order):
        return total
    try:
        back = sum((Decimal(_refunded(one)) for one in _paid_refunds(order)), Decimal(0))
        return f"{min(Decimal(str(total)), Decimal(str(left)) + back):f}"
    except InvalidOperation:
        return total


def _sold_pieces(line: Mapping[str, Any], order: Mapping[str, Any]) -> Any:  # noqa: ANN401 (checked where it is read)
    """Return how many pieces of a line were sold: those that are left, and those that were paid back."""
    quantity, left = line.get("quantity"), line.get("current_quantity")
    if not _is_count(quantity) or not _is_count(left) or _was_given_up(order):
        return quantity
    back = sum(
        one["quantity"]
        for refund in _paid_refunds(order)
        for one in _listed(refund, "refund_line_items")
        if isinstance(one, Mapping) and one.get("line_item_id") == line.get("id") and _is_count(one.get("quantity"))
    )
    return min(quantity, left + back)


def _is_count(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _was_given_up(order: Mapping[str, Any]) -> bool:
    """Whether an order was cancelled before anything was paid: nothing is left of it, and nothing went back."""
    return bool(order.get("cancelled_at")) and not _paid_refunds(order)


def _paid_refunds(order: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [one for one in _listed(order, "refunds") if isinstance(one, Mapping) and _transactions(one)]


def _refund(refund: Mapping[str, Any]) -> dict[str, Any]:
    lines = [one for one in _listed(refund, "refund_line_items") if isinstance(one, Mapping)]
    return {
        "order_id": refund.get("order_id"),
        "refund_id": refund.get("id"),
        "total": _refunded(refund),
        "currency": _currency(refund),
        "products": [
            _product(one["line_item"], one.get("quantity")) for one in lines if _is_line(one.get("line_item"))
        ],
    }


def _refunded(refund: Mapping[str, Any]) -> str:
    """Return what was paid back: the sum of the transactions that went through."""
    paid = Decimal(0)
    for one in _transactions(refund):
        try:
            paid += Decimal(str(one.get("amount")))
        except InvalidOperation:
            raise Refused("invalid_field", "is no amount of money", "/transactions") from None
    return f"{paid:f}"


def _transactions(refund: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [
        one
        for one in _listed(refund, "transactions")
        if isinstance(one, Mapping) and one.get("kind") == "refund" and one.get("status") == "success"
    ]


def _currency(refund: Mapping[str, Any]) -> Any:  # noqa: ANN401 (checked where it is read)
    return next((one.get("currency") for one in _transactions(refund)), None)


def _is_line(line: object) -> bool:
    return isinstance(line, Mapping)


def _product(line: Mapping[str, Any], quantity: object) -> dict[str, Any]:
    number = line.get("sku") or line.get("variant_id") or line.get("product_id") or "unspecified"
    return {"product_id": str(number), "quantity": quantity, "price": line.get("price")}


def _moment(document: Mapping[str, Any], name: str, context: Context) -> datetime:
    names = {COMPLETED: ("processed_at", "created_at"), CANCELLED: ("cancelled_at", "updated_at")}
    for field in names.get(name, ("processed_at", "created_at")):
        found = document.get(field)
        if found:
            moment = _read_moment(found, f"/{field}")
            check_moment(moment, context.received_at, f"/{field}")
            return moment
    raise Refused("missing_field", "a time is missing", f"/{names.get(name, ('created_at',))[0]}")


def _read_moment(value: object, field: str) -> datetime:
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise Refused("invalid_field", "is not a time in ISO 8601 with an offset", field)
    return moment


def _people(document: Mapping[str, Any], context: Context) -> Identified:
    customer = document.get("customer")
    person = customer if isinstance(customer, Mapping) else {}
    pairs = [
        (namespace, str(value), field)
        for namespace, value, field in (
            (CUSTOMER_NAMESPACE, person.get("id"), "/customer/id"),
            ("email", person.get("email") or document.get("email"), "/email"),
            ("phone", person.get("phone") or document.get("phone"), "/phone"),
        )
        if value is not None and value != ""
    ]
    return identify(context.secrets.blind, pairs, context.region)


def _draft_customer(item: Item, webhook_id: str | None) -> Draft:
    customer = item.fields
    address = customer.get("default_address")
    contact = {
        "first_name": customer.get("first_name"),
        "last_name": customer.get("last_name"),
        "address": _address(address) if isinstance(address, Mapping) else None,
    }
    facts = {
        "shopify_state": customer.get("state"),
        "shopify_tags": customer.get("tags"),
        "shopify_verified_email": customer.get("verified_email"),
    }
    document = {
        "identifiers": _identifiers(customer),
        "message_id": webhook_id,
        "occurred_at": customer.get("updated_at") or customer.get("created_at"),
        "contact": {name: value for name, value in contact.items() if value},
        "attributes": {name: value for name, value in facts.items() if value is not None and value != ""},
    }
    return draft_customer(_as(item, document))


def _draft_consent(item: Item, name: str) -> Draft:
    """Understand a permission: as of when it was given, not of when the webhook came."""
    consent = item.fields.get(name)
    if not isinstance(consent, Mapping) or str(consent.get("state")) not in _CONSENT_STATES:
        raise Refused("invalid_field", f"is none of {', '.join(_CONSENT_STATES)}", f"/{name}/state")
    changed_at = consent.get("consent_updated_at")
    if not changed_at:
        raise Refused("missing_field", "says not since when", f"/{name}/consent_updated_at")
    document = {
        "identifiers": _identifiers(item.fields),
        "channel": _CONSENTS[name],
        "purpose": "marketing",
        "state": _CONSENT_STATES[consent["state"]],
        "evidence": f"shopify {consent.get('opt_in_level') or ''}".strip(),
        "occurred_at": changed_at,
    }
    return draft_consent(_as(item, document))


def _identifiers(customer: Mapping[str, Any]) -> list[dict[str, str]]:
    named = ((CUSTOMER_NAMESPACE, "id"), ("email", "email"), ("phone", "phone"))
    return [{"namespace": namespace, "value": str(customer[name])} for namespace, name in named if customer.get(name)]


def _address(address: Mapping[str, Any]) -> str:
    return ", ".join(str(address[name]) for name in _ADDRESS if address.get(name))[:1000]


def _as(item: Item, document: Mapping[str, Any]) -> Item:
    """Return the item in the shape of a route of ours; what is kept stays what Shopify sent."""
    return Item(item.place, document, item.original, item.context)


_DRAFTING: Mapping[str, Callable[[Item, str | None], Draft]] = {
    "order": lambda item, number: _draft_order(item, number, COMPLETED),
    "cancellation": lambda item, number: _draft_order(item, number, CANCELLED),
    "refund": lambda item, number: _draft_order(item, number, REFUNDED),
    "customer": _draft_customer,
    "email_marketing_consent": lambda item, _: _draft_consent(item, "email_marketing_consent"),
    "sms_marketing_consent": lambda item, _: _draft_consent(item, "sms_marketing_consent"),
}
"""Piece → how its document is understood."""
