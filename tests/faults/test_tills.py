"""The tills themselves: what they send again is what they sent, and their book says what was answered."""

import json
import random
from typing import Any
from uuid import uuid5

import httpx

from tests.faults.tills import BATCH, Book, Receipt, Till, card_id, key_of, tills


class Door:
    """Stands where ingest would: each till's key has one event id."""

    def __init__(self, refusals: int = 0) -> None:
        self.bodies: list[list[Receipt]] = []
        self._refusals = refusals
        self._known: set[tuple[str, int]] = set()

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=httpx.MockTransport(self._answer), base_url="http://ingest")

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if self._refusals:
            self._refusals -= 1
            return httpx.Response(503)
        receipts: list[Receipt] = json.loads(request.content)["receipts"]
        self.bodies.append(receipts)
        return httpx.Response(200, json={"results": [self._result(key_of(each)) for each in receipts]})

    def _result(self, key: tuple[str, int]) -> dict[str, Any]:
        status = "repeat" if key in self._known else "accepted"
        self._known.add(key)
        return {"status": status, "message_id": str(uuid5(card_id("any"), f"{key}"))}


def till(book: Book) -> Till:
    return Till("T1", book, random.Random(7))


async def test_everything_is_sent_again_just_as_it_was_and_each_receipt_once() -> None:
    book, door = Book(), Door()
    one = till(book)
    async with door.client() as client:
        first = [one.receipt() for _ in range(BATCH * 3)]
        await one.send(first, client)
        door.bodies.clear()
        await one.send_everything_again(20, client)
    assert [len(body) for body in door.bodies] == [20, 20, 5]
    assert [receipt for body in door.bodies for receipt in body] == first
    assert book.answers == {"accepted": BATCH * 3, "repeat": BATCH * 3}
    assert not book.contradictions


async def test_what_is_not_taken_is_sent_again_and_counted_as_unanswered() -> None:
    book, door = Book(), Door(refusals=2)
    one = till(book)
    async with door.client() as client:
        await one.send([one.receipt() for _ in range(4)], client)
    assert book.unanswered == 8
    assert len(book.acknowledged) == 4
    assert book.answers == {"accepted": 4}


def test_the_rate_is_shared_among_the_tills() -> None:
    assert sum(each.per_second for each in tills(Book(), 1, 600.0)) == 600.0
