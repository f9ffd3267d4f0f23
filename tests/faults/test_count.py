"""The count itself: a count that could not see a loss would prove nothing."""

from collections.abc import Callable
from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.faults.count import CONSUMERS, FACTS, SUMS, Tables, card
from tests.faults.tills import Book, Sale, receipt

ANNA, BORIS = uuid4(), uuid4()
OWNERS = ((ANNA, "1"), (ANNA, "1"), (BORIS, "2"))
AMOUNTS = (100, 250, 400)
Row = dict[str, Any]
Rows = dict[tuple[str, str], list[Row]]
"""What each query of each service answers."""


class Held:
    """Stands where a service's database would, holding the answers to what the count asks."""

    def __init__(self, service: str, rows: Rows) -> None:
        self.service = service
        self.rows = rows

    async def fetch(self, query: str) -> list[Row]:
        table = query.split(" FROM ")[1].split(maxsplit=1)[0]
        return self.rows.get((self.service, query)) or self.rows.get((self.service, table), [])


@pytest.fixture
def book() -> Book:
    """Three receipts of two cards, all acknowledged."""
    book = Book()
    for number, ((_, name), amount) in enumerate(zip(OWNERS, AMOUNTS, strict=True), start=1):
        book.sales["T1", number] = Sale(name, amount)
        sent = receipt("T1", number, book.sales["T1", number])
        book.note([sent], [{"status": "accepted", "message_id": str(UUID(int=number))}])
    return book


@pytest.fixture
def rows() -> Rows:
    """What the tables hold when all is well."""
    sold = [(subject, Sale(name, amount)) for (subject, name), amount in zip(OWNERS, AMOUNTS, strict=True)]
    facts = {
        (facts.service, facts.query): [
            {"event_id": UUID(int=number), "subject_id": subject, "worth": facts.worth(sale)}
            for number, (subject, sale) in enumerate(sold, start=1)
        ]
        for facts in FACTS
    }
    added_up: Rows = {}
    for sums in SUMS:
        worth: dict[object, int] = {}
        for subject, sale in sold:
            for owner in [subject] if sums.owners is card else sums.owners(sale):
                worth[owner] = worth.get(owner, 0) + sums.worth(sale)
        added_up[sums.service, sums.query] = [{"owner": owner, "worth": total} for owner, total in worth.items()]
    return facts | added_up


async def is_exact(book: Book, rows: Rows) -> bool:
    held = {service: Held(service, rows) for service in ("ingest", *CONSUMERS)}
    return (await Tables(held).count(book)).is_exact  # type: ignore[arg-type]


async def test_tables_that_say_what_the_book_says_are_exact(book: Book, rows: Rows) -> None:
    assert await is_exact(book, rows)


@pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts.place)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda held: held.pop(), id="one lost"),
        pytest.param(lambda held: held.append(held[0]), id="one kept twice"),
        pytest.param(lambda held: held.append(held[0] | {"event_id": uuid4()}), id="one never acknowledged"),
        pytest.param(lambda held: held[0].update(worth=7), id="another worth"),
        pytest.param(lambda held: held[0].update(subject_id=BORIS), id="another customer's"),
        pytest.param(lambda held: held[0].update(subject_id=uuid4()), id="a card with two subjects"),
    ],
)
async def test_every_fault_in_facts_is_seen(
    book: Book, rows: Rows, facts: Any, spoil: Callable[[list[Row]], object]
) -> None:
    spoil(rows[facts.service, facts.query])
    assert not await is_exact(book, rows)


@pytest.mark.parametrize("sums", SUMS, ids=lambda sums: sums.place)
@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda held: held.pop(), id="one missing"),
        pytest.param(lambda held: held[0].update(worth=held[0]["worth"] + 1), id="counted twice"),
        pytest.param(lambda held: held.append({"owner": uuid4(), "worth": 1}), id="nobody's"),
    ],
)
async def test_every_fault_in_sums_is_seen(
    book: Book, rows: Rows, sums: Any, spoil: Callable[[list[Row]], object]
) -> None:
    spoil(rows[sums.service, sums.query])
    assert not await is_exact(book, rows)


@pytest.mark.parametrize("service", CONSUMERS)
@pytest.mark.parametrize(
    ("table", "row"), [("dead_letters", {"type": "X", "reason": "y"}), ("positions", {"forked_reason": "y"})]
)
async def test_what_a_consumer_put_aside_or_stopped_is_seen(
    book: Book, rows: Rows, service: str, table: str, row: Row
) -> None:
    rows[service, table] = [row]
    assert not await is_exact(book, rows)


async def test_one_key_acknowledged_as_two_events_is_seen(book: Book, rows: Rows) -> None:
    book.note(
        [receipt("T1", 1, book.sales["T1", 1])],
        [{"status": "accepted", "message_id": str(uuid4())}],
    )
    assert not await is_exact(book, rows)
