"""Points of orders that were edited: goods given back before an edit are taken from the sale that stands after it."""

import asyncio
import itertools
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.errors import TransientError
from shared.events import Envelope
from tests.integration.campaign.test_campaign_points import points
from tests.integration.campaign.world import DAY, NOW, World, goods_back, sale, void

pytestmark = pytest.mark.postgres
Told = list[Envelope[Any]]


def edited(subject_id: UUID) -> Told:
    """An order of 100, of which 30 came back, edited to 120, and then to 110, of which 10 came back."""
    first, second, third = uuid4(), uuid4(), uuid4()
    return [
        sale(subject_id, 10_000, receipt_id=first),
        goods_back(subject_id, 3_000, of=first, at=NOW + DAY),
        void(subject_id, first, NOW + 2 * DAY, replaced_by=second),
        sale(subject_id, 12_000, receipt_id=second),
        void(subject_id, second, NOW + 3 * DAY, replaced_by=third),
        sale(subject_id, 11_000, receipt_id=third),
        goods_back(subject_id, 1_000, of=third, at=NOW + 4 * DAY),
    ]


async def lots(world: World, subject_id: UUID) -> list[tuple[int, int, int]]:
    """Return what each lot came to, in the order of what it earned: earned, taken back, left."""
    rows = await world.database.fetch(
        "SELECT earned, taken_back, remaining FROM points_lots WHERE subject_id = $1 ORDER BY earned", subject_id
    )
    return [tuple(row) for row in rows]


async def test_every_order_of_edits_and_returns_gives_the_same_lots(world: World) -> None:
    for number, order in enumerate(itertools.islice(itertools.permutations(range(7)), 0, None, 61)):
        subject_id = uuid4()
        events = edited(subject_id)
        batches = [order] if number % 7 == 0 else [order[:3], order[3:]] if number % 2 else [[one] for one in order]
        for batch in batches:
            await world.apply(*(events[place] for place in batch))
        assert await lots(world, subject_id) == [(100, 100, 0), (110, 40, 70), (120, 120, 0)], order
        assert (await points(world, subject_id))["active"] == 70
    await world.assert_books_hold()


async def test_after_each_event_the_books_say_what_is_known_by_then(world: World) -> None:
    subject_id = uuid4()
    known = []
    for event in edited(subject_id):
        await world.apply(event)
        known.append((await points(world, subject_id))["active"])
    assert known == [100, 70, 0, 90, 0, 80, 70]


async def test_a_return_that_names_the_first_receipt_comes_long_after_the_last_edit(world: World) -> None:
    subject_id = uuid4()
    sold, back, *edits = edited(subject_id)
    await world.apply(sold, *edits)
    assert (await points(world, subject_id))["active"] == 100
    await world.apply(back)
    assert (await points(world, subject_id))["active"] == 70


async def test_a_return_that_was_voided_gives_its_points_back_to_the_sale_that_stands(world: World) -> None:
    subject_id = uuid4()
    events = edited(subject_id)
    await world.apply(*events, void(subject_id, events[1].event_id, NOW + 5 * DAY))
    assert (await points(world, subject_id))["active"] == 100


async def test_an_edit_and_a_return_on_two_workers_at_once_are_never_missed(world: World) -> None:
    for number in range(12):
        subject_id = uuid4()
        events = edited(subject_id)
        await world.apply(*events[:1])
        waiting = [events[1:2], events[2:4], events[4:6], events[6:]]
        await asyncio.gather(*(_applied(world, batch) for batch in (waiting if number % 2 else waiting[::-1])))
        assert (await points(world, subject_id))["active"] == 70
    await world.assert_books_hold()


async def _applied(world: World, events: Told) -> None:
    """Apply as a worker does: again where it met another."""
    while True:
        try:
            await world.apply(*events)
        except TransientError:
            continue
        return


async def test_receipts_that_replace_each_other_in_a_circle_end(world: World) -> None:
    subject_id, one, other = uuid4(), uuid4(), uuid4()
    await world.apply(
        sale(subject_id, 5_000, receipt_id=one),
        sale(subject_id, 6_000, receipt_id=other),
        goods_back(subject_id, 1_000, of=one),
        void(subject_id, one, replaced_by=other),
        void(subject_id, other, replaced_by=one),
    )
    assert (await points(world, subject_id))["active"] == 0
