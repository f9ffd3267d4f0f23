"""Segment's e-commerce events: every name of the specification is taken, and becomes the fact that it is."""

from typing import Any

import pytest

from services.ingest.mapping.segment import draft_message
from shared.events.behaviour import (
    CartChangedV1,
    CheckoutStartedV1,
    CustomV1,
    ListViewedV1,
    ProductViewedV2,
    SearchPerformedV1,
)
from shared.events.feedback import ReviewWrittenV1
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from tests.unit.ingest.test_mapping import WEB, drafted, said

PROPERTIES = {
    "order_id": "1001",
    "total": 28.05,
    "product_id": "P1",
    "price": 10,
    "query": "cheese",
    "list_id": "cheeses",
    "rating": 5,
    "review_id": "r1",
    "review_body": "Good",
    "coupon": "SPRING",
    "products": [{"product_id": "P1", "price": 10, "quantity": 2}],
}
NAMES: dict[str, type[Any]] = {
    "Products Searched": SearchPerformedV1,
    "Product List Viewed": ListViewedV1,
    "Product List Filtered": ListViewedV1,
    "Promotion Viewed": CustomV1,
    "Promotion Clicked": CustomV1,
    "Product Clicked": ProductViewedV2,
    "Product Viewed": ProductViewedV2,
    "Product Added": CartChangedV1,
    "Product Removed": CartChangedV1,
    "Cart Viewed": CartChangedV1,
    "Checkout Started": CheckoutStartedV1,
    "Checkout Step Viewed": CustomV1,
    "Checkout Step Completed": CustomV1,
    "Payment Info Entered": CustomV1,
    "Order Updated": CustomV1,
    "Order Completed": ReceiptRecordedV1,
    "Order Refunded": ReceiptRecordedV1,
    "Order Cancelled": ReceiptVoidedV1,
    "Coupon Entered": CustomV1,
    "Coupon Applied": CustomV1,
    "Coupon Denied": CustomV1,
    "Coupon Removed": CustomV1,
    "Product Added to Wishlist": CustomV1,
    "Product Removed from Wishlist": CustomV1,
    "Wishlist Product Added to Cart": CartChangedV1,
    "Product Shared": CustomV1,
    "Cart Shared": CustomV1,
    "Product Reviewed": ReviewWrittenV1,
}


def message(name: str) -> dict[str, Any]:
    return {"type": "track", "userId": "u1", "event": name, "messageId": "m1", "properties": PROPERTIES}


@pytest.mark.parametrize(("name", "event"), NAMES.items(), ids=NAMES)
def test_a_secret_sources_event_becomes_the_fact_that_it_is(name: str, event: type[Any]) -> None:
    (found,) = said(drafted(message(name), draft_message))
    assert type(found) is event
    if isinstance(found, CustomV1):
        assert found.name == name


@pytest.mark.parametrize("name", ["Order Completed", "Order Refunded", "Order Cancelled", "Product Reviewed"])
def test_a_public_sources_orders_and_reviews_are_behaviour(name: str) -> None:
    (found,) = said(drafted({**message(name), "anonymousId": "a1"}, draft_message, WEB))
    assert type(found) is CustomV1


def test_a_review_without_stars_is_kept_under_its_name() -> None:
    bare = {**message("Product Reviewed"), "properties": {"product_id": "P1", "rating": "good"}}
    (found,) = said(drafted(bare, draft_message))
    assert type(found) is CustomV1
