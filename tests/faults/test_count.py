"""The count itself: a count that could not see a loss would prove nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.faults.tills import Book, Sale, Tables, receipt

ANNA, BORIS = uuid4(), uuid4()
Rows = dict[str, list[dict[str, Any]]]


class Held:
    """Stands where a database would, holding rows by table."""

    def __init__(self, rows: Rows) -> None:
        self.rows = rows

    async def fetch(self, query: str) -> list[dict[str, Any]]:
        table = query.split(" FROM ")[1].split(maxsplit=1)[0]
        return self.rows.get(table, [])


@pytest.fixture
def book() -> Book:
    """Three receipts of two cards, all acknowledged."""
    book = Book()
    for number, (card, amount) in enumerate((("1", 100), ("1", 200), ("2", 400)), start=1):
        book.sales["T1", number] = Sale(card, amount)
        sent = receipt("T1", number, book.sales["T1", number])
        book.note([sent], [{"status": "accepted", "message_id": str(UUID(int=number))}])
    return book


@pytest.fixture
def rows() -> Rows:
    """What the tables hold when all is well."""
    kept = ((1, ANNA, 100), (2, ANNA, 200), (3, BORIS, 400))
    return {
        "events": [{"event_id": UUID(int=number)} for number, _, _ in kept],
        "receipts": [{"event_id": UUID(int=n), "subject_id": who, "sold_minor": sold} for n, who, sold in kept],
        "subject_totals": [
            {"subject_id": ANNA, "receipts": 2, "gross_minor": 300},
            {"subject_id": BORIS, "receipts": 1, "gross_minor": 400},
        ],
    }


async def is_exact(book: Book, rows: Rows) -> bool:
    held = Held(rows)
    return (await Tables(held, held).count(book)).is_exact  # type: ignore[arg-type]


async def test_tables_that_say_what_the_book_says_are_exact(book: Book, rows: Rows) -> None:
    assert await is_exact(book, rows)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda rows: rows["events"].pop(), id="lost from the archive"),
        pytest.param(lambda rows: rows["events"].append({"event_id": uuid4()}), id="archived and never acknowledged"),
        pytest.param(lambda rows: rows["receipts"].pop(), id="never applied"),
        pytest.param(lambda rows: rows["receipts"].append(rows["receipts"][0]), id="kept twice"),
        pytest.param(lambda rows: rows["receipts"][0].update(sold_minor=1), id="another amount"),
        pytest.param(lambda rows: rows["subject_totals"].pop(), id="no totals"),
        pytest.param(lambda rows: rows["subject_totals"][0].update(receipts=3), id="counted twice"),
        pytest.param(lambda rows: rows["subject_totals"][1].update(gross_minor=800), id="added twice"),
        pytest.param(lambda rows: rows["receipts"][0].update(subject_id=BORIS), id="another customer's"),
        pytest.param(lambda rows: rows["receipts"][0].update(subject_id=uuid4()), id="a card with two subjects"),
        pytest.param(lambda rows: rows.update(dead_letters=[{"type": "X", "reason": "y"}]), id="a dead letter"),
        pytest.param(lambda rows: rows.update(positions=[{"forked_reason": "y"}]), id="a fork"),
    ],
)
async def test_every_fault_is_seen(book: Book, rows: Rows, spoil: Callable[[Rows], object]) -> None:
    spoil(rows)
    assert not await is_exact(book, rows)


async def test_one_key_acknowledged_as_two_events_is_seen(book: Book, rows: Rows) -> None:
    book.note(
        [receipt("T1", 1, book.sales["T1", 1])],
        [{"status": "accepted", "message_id": str(uuid4())}],
    )
    assert not await is_exact(book, rows)
