"""A batch that is sent again: recognised as a whole, and answered as every repeat is."""

from collections import Counter
from typing import Any

import pytest

from services.ingest.handlers.accepting.repeating import ASKED_FROM_ITEMS
from services.ingest.handlers.accepting.settling import settle
from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres
SIZE = ASKED_FROM_ITEMS + 10


def viewed(number: int, **changes: Any) -> dict[str, Any]:
    """Return one of the messages of a batch."""
    said = {
        "type": "track",
        "event": "Product Viewed",
        "anonymousId": f"device-{number % 7}",
        "messageId": f"m-{number}",
    }
    return {**said, "properties": {"product_id": f"P{number}"}, **changes}


async def sent(ingest: Running, *messages: dict[str, Any]) -> list[dict[str, Any]]:
    answer = await ingest.send("/v1/batch", {"batch": list(messages)})
    assert answer.status_code == 200
    found: list[dict[str, Any]] = answer.json()["results"]
    return found


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The message numbers of which events were made."""
    made: list[str | None] = []

    def noted(draft: Any, *found: Any) -> Any:
        made.append(draft.message_id)
        return settle(draft, *found)

    monkeypatch.setattr("services.ingest.handlers.accepting.acceptor.settle", noted)
    return made


async def test_a_batch_sent_again_is_repeats_of_which_nothing_is_made(
    ingest: Running, settled: list[str | None]
) -> None:
    batch = [viewed(number) for number in range(SIZE)]
    first = await sent(ingest, *batch)
    settled.clear()
    again = await sent(ingest, *batch)
    assert {one["status"] for one in first} == {"accepted"}
    assert {one["status"] for one in again} == {"repeat"}
    assert [one["message_id"] for one in again] == [f"m-{number}" for number in range(SIZE)]
    assert settled == []
    assert await ingest.count("events") == SIZE


async def test_new_ones_between_repeats_are_accepted_in_their_places(ingest: Running) -> None:
    await sent(ingest, *(viewed(number) for number in range(SIZE)))
    mixed = [viewed(number if number % 3 else number + 1000) for number in range(SIZE)]
    found = await sent(ingest, *mixed)
    assert [one["message_id"] for one in found] == [one["messageId"] for one in mixed]
    assert [one["status"] for one in found] == ["repeat" if number % 3 else "accepted" for number in range(SIZE)]
    assert await ingest.count("events") == SIZE + len(range(0, SIZE, 3))


async def test_repeats_between_new_ones_are_recognised_when_they_are_stored(
    ingest: Running, settled: list[str | None]
) -> None:
    await sent(ingest, *(viewed(number) for number in range(SIZE)))
    settled.clear()
    found = await sent(ingest, viewed(1000), *(viewed(number) for number in range(SIZE)), viewed(1001))
    assert Counter(one["status"] for one in found) == {"accepted": 2, "repeat": SIZE}
    assert len(settled) == SIZE + 2


async def test_one_that_says_something_else_is_a_conflict_among_repeats(ingest: Running) -> None:
    batch = [viewed(number) for number in range(SIZE)]
    await sent(ingest, *batch)
    batch[5] = viewed(5, properties={"product_id": "another"})
    found = await sent(ingest, *batch)
    assert (found[5]["status"], found[5]["field"]) == ("conflict", "/messageId")
    assert Counter(one["status"] for one in found) == {"repeat": SIZE - 1, "conflict": 1}


async def test_a_number_twice_in_a_repeated_batch_is_a_repeat_twice(ingest: Running) -> None:
    batch = [viewed(number) for number in range(SIZE)]
    await sent(ingest, *batch)
    found = await sent(ingest, *batch, batch[0], viewed(7, properties={"product_id": "another"}))
    assert Counter(one["status"] for one in found) == {"repeat": SIZE + 1, "conflict": 1}
    assert await ingest.count("events") == SIZE


async def test_orders_among_repeats_count_once(ingest: Running) -> None:
    lines = [{"product_id": "P1", "price": 5, "quantity": 1}]
    about = {"order_id": "1001", "currency": "USD", "products": lines}
    bought = {
        "type": "track", "event": "Order Completed", "userId": "shopper-1", "messageId": "o-1", "properties": about,
    }  # fmt: skip
    batch = [viewed(number) for number in range(SIZE)]
    await sent(ingest, *batch, bought)
    again = await sent(ingest, *batch, bought, {**bought, "messageId": "o-2"})
    assert {one["status"] for one in again} == {"repeat"}
    found = [(await ingest.get(f"/v1/events/{number}")).json()["event_id"] for number in ("o-1", "o-2")]
    assert found[0] == found[1]
