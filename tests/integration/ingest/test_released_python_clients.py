"""The released Python clients of Segment and RudderStack, unmodified, against ingest on a loopback port."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import pytest
import rudderstack.analytics.request as rudder_wire
import segment.analytics.request as segment_wire
from rudderstack.analytics.client import Client as RudderClient
from segment.analytics.client import Client as SegmentClient

from shared.events.behaviour import CustomV1, PageViewedV1, ProductViewedV2
from shared.events.customers import AttributesChangedV1
from shared.events.receipts import ReceiptRecordedV1
from shared.keys import new_key
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.loopback import Hurdles, served

pytestmark = pytest.mark.postgres

FLUSH_SECONDS = 40


@dataclass
class Shop:
    """A web shop's server that uses one of the clients."""

    ingest: Running
    hurdles: Hurdles
    address: str
    make: Callable[..., Any]
    name: str
    failures: list[Exception] = field(default_factory=list)

    async def say(self, *calls: tuple[str, dict[str, Any]], write_key: str | None = None, **options: Any) -> None:
        """Make calls of the client, and wait until it has sent, or given up, all of them."""
        async with asyncio.timeout(FLUSH_SECONDS):
            await asyncio.to_thread(self._say, calls, write_key or self.ingest.keys.write_key, options)

    def _say(self, calls: tuple[tuple[str, dict[str, Any]], ...], write_key: str, options: dict[str, Any]) -> None:
        def note(error: Exception, _batch: object) -> None:
            self.failures.append(error)

        client = self.make(write_key, host=self.address, on_error=note, upload_interval=0.05, **options)
        try:
            for call, arguments in calls:
                getattr(client, call)(**arguments)
            client.flush()
        finally:
            client.join()

    async def events(self) -> list[Any]:
        return [envelope.data for envelope in await self.ingest.envelopes()]


@pytest.fixture(autouse=True)
def closed_connections() -> Iterator[None]:
    """The clients keep their connections for the life of a process; a test's ends with it."""
    yield
    segment_wire._session.close()
    rudder_wire._session.close()
    assert not [thread for thread in threading.enumerate() if type(thread).__name__ == "Consumer"]


@pytest.fixture(params=["segment", "rudder"])
async def shop(ingest: Running, request: pytest.FixtureRequest) -> AsyncIterator[Shop]:
    hurdles = Hurdles(ingest.app)
    make = {"segment": SegmentClient, "rudder": RudderClient}[request.param]
    async with served(hurdles) as address:
        yield Shop(ingest, hurdles, address, make, request.param)


TRACK = ("track", {"user_id": "user-77", "event": "Product Viewed", "properties": {"product_id": "P1"}})
EVERY_TYPE = (
    TRACK,
    ("identify", {"user_id": "user-77", "traits": {"plan": "gold", "email": "chen@example.com"}}),
    ("page", {"user_id": "user-77", "name": "Home", "properties": {"url": "https://shop.example/"}}),
    ("screen", {"user_id": "user-77", "name": "Basket"}),
    ("group", {"user_id": "user-77", "group_id": "club", "traits": {"size": 3}}),
    ("alias", {"previous_id": "user-old", "user_id": "user-77"}),
)


async def test_every_type_of_message_is_taken(shop: Shop) -> None:
    await shop.say(*EVERY_TYPE)
    assert shop.failures == []
    assert set(shop.hurdles.statuses) == {200}
    kinds = {type(data) for data in await shop.events()}
    assert {ProductViewedV2, AttributesChangedV1, PageViewedV1, CustomV1} <= kinds
    assert await shop.ingest.count("refusals") == 0


async def test_an_order_becomes_a_sale(shop: Shop) -> None:
    products = [{"product_id": "P1", "price": 10, "quantity": 2}, {"product_id": "P2", "price": 5.5}]
    properties = {"order_id": "1001", "total": 25.5, "currency": "CNY", "products": products}
    await shop.say(("track", {"user_id": "user-77", "event": "Order Completed", "properties": properties}))
    (receipt,) = await shop.events()
    assert isinstance(receipt, ReceiptRecordedV1)
    assert receipt.sold_minor == 2550


async def test_traits_are_understood_where_each_client_puts_them(shop: Shop) -> None:
    """RudderStack's puts them into the context."""
    await shop.say(("identify", {"user_id": "user-77", "traits": {"plan": "gold"}}))
    (data,) = await shop.events()
    assert data.attributes == {"plan": "gold"}


@pytest.mark.parametrize("gzip", [True, False])
async def test_many_messages_come_in_batches_compressed_or_not(shop: Shop, *, gzip: bool) -> None:
    await shop.say(*[TRACK] * 150, gzip=gzip, upload_size=50)
    assert set(shop.hurdles.statuses) == {200}
    assert len(shop.hurdles.statuses) < 40
    assert await shop.ingest.count("events") == 150
    assert all(("content-encoding" in one) == gzip for one in shop.hurdles.headers)


async def test_numbers_and_dates_and_no_name_at_all_are_taken(shop: Shop) -> None:
    anonymous = {"anonymous_id": 4711, "event": "Loyalty Game Won", "properties": {"at": "2026-01-01", "n": None}}
    await shop.say(("track", anonymous), ("track", {"user_id": 77, "event": "Loyalty Game Won"}))
    assert shop.failures == []
    assert await shop.ingest.count("events") == 2


@pytest.mark.parametrize("hurdle", ["429", "503", "lost"])
async def test_a_delivery_that_meets_a_hurdle_is_made_again_and_counts_once(shop: Shop, hurdle: Any) -> None:
    shop.hurdles.plan.extend([hurdle, hurdle])
    await shop.say(TRACK, TRACK, max_retries=6)
    assert shop.failures == []
    assert shop.hurdles.statuses[-1] == 200
    assert await shop.ingest.count("events") == 2
    assert await shop.ingest.count("refusals") == 0


async def test_a_wrong_key_is_not_tried_again(shop: Shop) -> None:
    await shop.say(TRACK, write_key=new_key())
    assert shop.hurdles.statuses == [401]
    assert len(shop.failures) == 1


async def test_a_disabled_source_is_not_tried_again(shop: Shop) -> None:
    await shop.ingest.post("/v1/sources/shop-server:disable", None)
    shop.ingest.app.state.ingest.sources.forget()
    await shop.say(TRACK)
    assert shop.hurdles.statuses == [403]


async def test_a_body_past_the_limit_is_not_tried_again(shop: Shop) -> None:
    """Neither client can make one; a request of theirs is sent with a body that big."""
    wire: Any = segment_wire if shop.name == "segment" else rudder_wire
    body = {"batch": [{"type": "track", "userId": "u", "event": "x" * 33_000_000}]}
    with pytest.raises(wire.APIError) as refused:
        await asyncio.to_thread(wire.post, shop.ingest.keys.write_key, shop.address, gzip=True, **body)
    assert shop.hurdles.statuses == [413]
    assert refused.value.status == 413
    assert refused.value.code == "body_too_large"


async def test_an_empty_batch_is_not_tried_again(shop: Shop) -> None:
    wire: Any = segment_wire if shop.name == "segment" else rudder_wire
    with pytest.raises(wire.APIError) as refused:
        await asyncio.to_thread(wire.post, shop.ingest.keys.write_key, shop.address, batch=[])
    assert (refused.value.status, refused.value.code) == (400, "malformed_json")


async def test_one_bad_message_never_fails_its_batch(shop: Shop) -> None:
    long_ago = {**TRACK[1], "event": "Past", "timestamp": datetime(1971, 1, 1, tzinfo=UTC)}
    await shop.say(TRACK, ("track", long_ago), TRACK)
    assert set(shop.hurdles.statuses) == {200}
    assert await shop.ingest.count("events") == 2
    assert await shop.ingest.count("refusals") == 1
