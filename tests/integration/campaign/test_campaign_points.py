"""Points on the real database: receipts in any order, debts, expiry, adjustments, merges."""

import asyncio
import itertools
import random
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from shared.events import Envelope, decode
from tests.integration.campaign.world import DAY, NOW, World, assigned, goods_back, once, sale, void

pytestmark = pytest.mark.postgres


async def points(world: World, customer_id: UUID) -> dict[str, int]:
    answer = await world.client().get(f"/v1/members/{customer_id}")
    assert answer.status_code == 200, answer.text
    found: dict[str, int] = answer.json()["points"]
    return found


async def ledger(world: World, subject_id: UUID) -> list[tuple[Any, ...]]:
    rows = await world.database.fetch(
        "SELECT account, kind, source, source_id, points FROM ledger_lines WHERE subject_id = $1"
        " ORDER BY source, source_id, kind, line",
        subject_id,
    )
    return [tuple(row) for row in rows]


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_a_receipt_that_was_not_finished_earns_nothing(world: World, status: str) -> None:
    subject_id = uuid4()
    bought = sale(subject_id, 4124)
    await world.apply(bought.model_copy(update={"data": bought.data.model_copy(update={"status": status})}))
    assert (await world.client().get(f"/v1/members/{subject_id}")).status_code == 404


async def test_a_purchase_earns_a_point_per_major_unit(world: World) -> None:
    subject_id = uuid4()
    await world.apply(sale(subject_id, 4124))
    assert (await points(world, subject_id))["active"] == 41
    member = (await world.client().get(f"/v1/members/{subject_id}")).json()
    assert member["lots"] == [
        {
            "lot_id": member["lots"][0]["lot_id"],
            "points": 41,
            "expires_at": (NOW + 365 * DAY).isoformat().replace("+00:00", "Z"),
        }
    ]
    assert (member["tier"], member["growth_value"], member["next_tier"]) == (
        "member",
        41,
        {"tier": "silver", "missing": 459},
    )
    await world.assert_books_hold()


async def test_a_sale_that_comes_weeks_late_earns_as_of_its_day_and_sends_nobody_anything(world: World) -> None:
    subject_id = uuid4()
    sold_at = NOW - 30 * DAY
    await world.apply(sale(subject_id, 4124, at=sold_at))
    said = [decode(row["body"]) for row in await world.database.fetch("SELECT body FROM events")]
    ours = [event for event in said if event.subject_id == subject_id]
    assert {event.type for event in ours} <= {"PointsPosted", "TierChanged"}
    assert {event.occurred_at for event in ours if event.type == "PointsPosted"} == {sold_at}
    assert await world.database.fetchval("SELECT count(*) FROM messages") == 0


async def test_a_redelivered_receipt_earns_once(world: World) -> None:
    subject_id = uuid4()
    receipt = sale(subject_id, 4124)
    await world.apply(receipt)
    await world.apply(receipt)
    assert (await points(world, subject_id))["active"] == 41


async def test_returning_piece_by_piece_leaves_nothing(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    await world.apply(sale(subject_id, 1000, receipt_id=receipt_id))
    for _ in range(20):
        await world.apply(goods_back(subject_id, 50, of=receipt_id))
    assert (await points(world, subject_id))["active"] == 0
    await world.assert_books_hold()


def told(event: Envelope[Any], **changes: Any) -> Envelope[Any]:
    """The same receipt, told with other fields."""
    return event.model_copy(update={"data": event.data.model_copy(update=changes)})


def story(subject_id: UUID) -> list[Envelope[Any]]:
    """A sale of 41.24, a return of 4.50 of it, another put aside and completed, a void of its return.

    The second sale is told by a till whose clock was a day behind.
    """
    first, second, back = uuid4(), uuid4(), uuid4()
    return [
        sale(subject_id, 4124, receipt_id=first),
        goods_back(uuid4(), 450, of=first, at=NOW + DAY),
        told(sale(subject_id, 9999, at=NOW + DAY), status="suspended"),
        told(sale(subject_id, 9999, receipt_id=second, at=NOW + DAY), device_at=NOW, clock_skew_minutes=1440),
        goods_back(subject_id, 5000, of=second, receipt_id=back, at=NOW + 2 * DAY),
        void(subject_id, back, at=NOW + 3 * DAY),
    ]


async def test_every_order_of_receipts_returns_and_voids_gives_the_same_ledger(world: World) -> None:
    subject_id = uuid4()
    events = story(subject_id)
    seen = set()
    for number, order in enumerate(itertools.islice(itertools.permutations(events), 0, None, 17)):
        if number % 5:
            await world.apply(*order[:2])
            await world.apply(*order[2:])
        else:
            for event in order:
                await world.apply(event)
        balance = await points(world, subject_id)
        lots = await world.database.fetch(
            "SELECT lot_id, earned, taken_back, remaining FROM points_lots WHERE subject_id = $1 ORDER BY 1",
            subject_id,
        )
        accounts: dict[str, int] = {}
        for account, _, _, _, moved in await ledger(world, subject_id):
            accounts[account] = accounts.get(account, 0) + moved
        seen.add(repr((balance, [tuple(lot) for lot in lots], sorted(accounts.items()))))
        if number % 10 == 0:
            await world.assert_books_hold()
        await forget(world, events, subject_id)
    assert len(seen) == 1
    assert "'active': 135" in seen.pop()


async def forget(world: World, events: list[Envelope[Any]], subject_id: UUID) -> None:
    """Take everything back, so that the next order begins from nothing."""
    receipt_ids = [event.event_id for event in events]
    async with world.database.transaction() as tx:
        await tx.execute("DELETE FROM ledger_lines WHERE subject_id = $1", subject_id)
        await tx.execute("DELETE FROM points_lots WHERE subject_id = $1", subject_id)
        await tx.execute("DELETE FROM points_accounts WHERE subject_id = $1", subject_id)
        for table in ("receipts", "families"):
            column = "receipt_id" if table == "receipts" else "family_id"
            await tx.execute(f"DELETE FROM {table} WHERE {column} = ANY($1::uuid[])", receipt_ids)
        await tx.execute("DELETE FROM voids WHERE void_id = ANY($1::uuid[])", receipt_ids)


async def test_with_one_return_even_the_lines_are_the_same_in_any_order(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    events = [sale(subject_id, 4124, receipt_id=receipt_id), goods_back(subject_id, 450, of=receipt_id)]
    ledgers = []
    for order in itertools.permutations(events):
        for event in order:
            await world.apply(event)
        ledgers.append(await ledger(world, subject_id))
        await forget(world, events, subject_id)
    assert ledgers[0] == ledgers[1]


async def test_a_sale_and_its_return_on_two_workers_at_once_are_never_missed(world: World) -> None:
    for _ in range(15):
        subject_id, receipt_id = uuid4(), uuid4()
        await asyncio.gather(
            world.apply(sale(subject_id, 4124, receipt_id=receipt_id)),
            world.apply(goods_back(uuid4(), 4124, of=receipt_id)),
        )
        assert (await points(world, subject_id))["active"] == 0
    await world.assert_books_hold()


async def test_a_void_takes_back_what_the_sale_gave(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    await world.apply(void(subject_id, receipt_id))
    await world.apply(sale(subject_id, 4124, receipt_id=receipt_id))
    assert (await points(world, subject_id))["active"] == 0
    await world.assert_books_hold()


async def adjust(world: World, customer_id: UUID, given: int, **changed: Any) -> Any:
    body = {"customer_id": str(customer_id), "points": given, "reason": "a test", **changed}
    return await world.client().post("/v1/points/adjustments", json=body, headers=once())


async def test_points_spent_before_the_return_become_a_debt_that_the_next_purchase_pays(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    await world.apply(sale(subject_id, 4100, receipt_id=receipt_id))
    assert (await adjust(world, subject_id, -30, kind="spent")).status_code == 200
    await world.apply(goods_back(subject_id, 4100, of=receipt_id))
    assert await points(world, subject_id) == {"active": 0, "pending": 0, "spent": 30, "expired": 0, "debt": 30}
    await world.apply(sale(subject_id, 5000))
    assert await points(world, subject_id) == {"active": 20, "pending": 0, "spent": 30, "expired": 0, "debt": 0}
    await world.assert_books_hold()


async def test_more_points_than_there_are_cannot_be_taken(world: World) -> None:
    subject_id = uuid4()
    await world.apply(sale(subject_id, 4100))
    refused = await adjust(world, subject_id, -42)
    assert (refused.status_code, refused.json()["code"]) == (409, "points_exceeded")
    answers = await asyncio.gather(*(adjust(world, subject_id, -10, kind="spent") for _ in range(10)))
    assert sorted(answer.status_code for answer in answers) == [200] * 4 + [409] * 6
    assert (await points(world, subject_id))["active"] == 1
    await world.assert_books_hold()


async def test_points_run_out_after_a_year_and_a_late_return_does_not_take_them_twice(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    await world.apply(sale(subject_id, 4100, receipt_id=receipt_id), sale(subject_id, 2000, at=NOW + 100 * DAY))
    world.clock.advance(366 * DAY)
    await world.expire_points()
    assert await points(world, subject_id) == {"active": 20, "pending": 0, "spent": 0, "expired": 41, "debt": 0}
    await world.apply(goods_back(subject_id, 4100, of=receipt_id))
    assert await points(world, subject_id) == {"active": 20, "pending": 0, "spent": 0, "expired": 0, "debt": 0}
    await world.assert_books_hold()


async def test_a_purchase_in_another_currency_earns_nothing(world: World) -> None:
    subject_id = uuid4()
    bought = sale(subject_id, 4124)
    await world.apply(bought.model_copy(update={"data": bought.data.model_copy(update={"currency": "HKD"})}))
    assert (await world.client().get(f"/v1/members/{subject_id}")).status_code == 404


def by_guest(receipt: Envelope[Any]) -> Envelope[Any]:
    return receipt.model_copy(update={"subject_kind": "guest"})


async def test_a_guests_points_run_out_as_a_guests(world: World) -> None:
    """Said as a person's, they would make a customer of everybody who ever paid without a card."""
    guest_id = uuid4()
    await world.apply(by_guest(sale(guest_id, 4100)))
    world.clock.advance(366 * DAY)
    await world.expire_points()
    said = await world.database.fetch("SELECT body FROM events WHERE key = $1", str(guest_id))
    assert [decode(row["body"]).subject_kind for row in said] == ["guest", "guest"]


async def test_a_claimed_guests_points_are_spent_as_a_guests(world: World) -> None:
    guest_id, card_id = uuid4(), uuid4()
    await world.apply(by_guest(sale(guest_id, 4100)), assigned(guest_id, card_id))
    assert (await adjust(world, card_id, -30, kind="spent")).status_code == 200
    said = await world.database.fetch("SELECT body FROM events WHERE key = $1", str(guest_id))
    assert {decode(row["body"]).subject_kind for row in said} == {"guest"}


async def test_a_merged_customer_has_the_points_of_all_subjects_and_no_row_moved(world: World) -> None:
    card, account, customer_id = uuid4(), uuid4(), uuid4()
    await world.apply(sale(card, 4100), sale(account, 900))
    await world.apply(assigned(card, customer_id), assigned(account, customer_id))
    for known_as in (card, account, customer_id):
        assert (await points(world, known_as))["active"] == 50
    assert (await adjust(world, customer_id, -45, kind="spent")).status_code == 200
    assert (await points(world, customer_id))["active"] == 5
    await world.assert_books_hold()


async def test_points_given_by_hand_count_once_per_key_and_are_no_growth(world: World) -> None:
    customer_id, key = uuid4(), once()
    body = {"customer_id": str(customer_id), "points": 100, "reason": "sorry"}
    answers = [
        await world.client("marketer").post("/v1/points/adjustments", json=body, headers=key) for _ in range(3)
    ]
    assert [answer.status_code for answer in answers] == [200, 200, 200]
    member = (await world.client().get(f"/v1/members/{customer_id}")).json()
    assert (member["points"]["active"], member["growth_value"]) == (100, 0)
    await world.assert_books_hold()


async def test_somebody_without_points_is_no_member(world: World) -> None:
    answer = await world.client().get(f"/v1/members/{uuid4()}")
    assert (answer.status_code, answer.json()["code"]) == (404, "member_not_found")


async def test_every_posting_is_said_once(world: World) -> None:
    subject_id, receipt_id = uuid4(), uuid4()
    await world.apply(sale(subject_id, 4124, receipt_id=receipt_id), goods_back(subject_id, 450, of=receipt_id))
    said = await world.database.fetch(
        "SELECT body FROM events WHERE type = 'PointsPosted' AND key = $1", str(subject_id)
    )
    assert sorted(b'"points":41' in row["body"] for row in said) == [False, True]
    assert any(b'"points":-5,"kind":"taken_back"' in row["body"] for row in said)


async def test_a_thousand_random_receipts_from_many_workers_leave_the_books_right(world: World) -> None:
    draws = random.Random(3)
    subjects = [uuid4() for _ in range(12)]
    sales = [sale(draws.choice(subjects), draws.randrange(1, 9000), at=NOW - timedelta(days=n)) for n in range(150)]
    backs = [
        goods_back(
            draws.choice(subjects),
            draws.randrange(1, 9000),
            of=draws.choice([*(each.event_id for each in sales), None, None]),
        )
        for _ in range(100)
    ]
    voids = [void(draws.choice(subjects), draws.choice([*sales, *backs]).event_id) for _ in range(30)]
    events = [*sales, *backs, *voids, *draws.choices([*sales, *backs], k=40)]
    draws.shuffle(events)

    async def one_worker(share: list[Envelope[Any]]) -> None:
        for start in range(0, len(share), 20):
            await applied(world, share[start : start + 20])

    await asyncio.gather(*(one_worker(events[number::4]) for number in range(4)))
    await world.assert_books_hold()


async def applied(world: World, events: list[Envelope[Any]]) -> None:
    """Apply as a worker does: two that wait for each other are told so, and one tries again."""
    from shared.errors import TransientError  # noqa: PLC0415 - beside its only use

    for _ in range(20):
        try:
            await world.apply(*events)
        except TransientError:
            continue
        return
    raise AssertionError("twenty deadlocks in a row")
