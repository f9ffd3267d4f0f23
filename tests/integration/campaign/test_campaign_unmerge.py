"""Un-merging customers: what one spent of the other's comes back, once, and nobody loses what they earned."""

import asyncio
import itertools
from collections.abc import Collection
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.campaign.domain.points import Borrowed
from services.campaign.store import points as store
from shared.db import Transaction
from shared.events.customers import CustomerErasedV1
from tests.integration.campaign.test_campaign_points import adjust, points
from tests.integration.campaign.test_campaign_redeeming import redeem
from tests.integration.campaign.world import DAY, NOW, World, assigned, envelope, goods_back, once, sale

pytestmark = pytest.mark.postgres


async def left(world: World, customer_id: UUID) -> int:
    """Return what somebody has, debts counted."""
    found = await points(world, customer_id)
    return found["active"] - found["debt"]


async def merged(world: World, earned: tuple[int, int] = (4100, 900)) -> tuple[UUID, UUID]:
    """Return two who earned something each and became one customer, known by the first."""
    one, other = uuid4(), uuid4()
    await world.apply(sale(one, earned[0]), sale(other, earned[1]))
    await world.apply(assigned(one, one, version=1), assigned(other, one, version=1))
    return one, other


@pytest.mark.parametrize("spender", [0, 1])
async def test_whoever_spent_pays_and_the_other_gets_back_what_they_earned(world: World, spender: int) -> None:
    pair = await merged(world)
    assert (await adjust(world, pair[spender], -45, kind="spent")).status_code == 200
    assert await left(world, pair[0]) == 5
    await world.apply(assigned(pair[1], pair[1], version=2))
    earned = (41, 9)
    spent = (45, 0) if spender == 0 else (0, 45)
    for subject_id, gained, used in zip(pair, earned, spent, strict=True):
        assert await left(world, subject_id) == gained - used
        assert (await points(world, subject_id))["spent"] == used
    await world.assert_books_hold()


async def test_what_a_customer_spends_is_taken_from_their_own_first(world: World) -> None:
    one, other = await merged(world)
    await adjust(world, other, -5, kind="spent")
    assert await world.database.fetchval("SELECT count(*) FROM points_borrowed WHERE borrower_id = $1", other) == 0
    await world.apply(assigned(other, other, version=2))
    assert (await left(world, one), await left(world, other)) == (41, 4)


async def test_an_unmerge_told_again_or_undone_and_done_again_transfers_once(world: World) -> None:
    one, other = await merged(world)
    await adjust(world, other, -45, kind="spent")
    for version in range(2, 6):
        customer_id = other if version % 2 == 0 else one
        for _ in range(2):
            await world.apply(assigned(other, customer_id, version=version))
        if version % 2:
            assert await left(world, one) == 5
        else:
            assert (await left(world, one), await left(world, other)) == (41, -36)
    rows = await world.database.fetchval(
        "SELECT count(DISTINCT posting_id) FROM ledger_lines WHERE source = 'transfer' AND subject_id = ANY($1)",
        [one, other],
    )
    assert rows == 2
    said = await world.database.fetch("SELECT body FROM events WHERE type = 'PointsPosted' AND key = $1", str(one))
    assert sum(b'"points":36,"kind":"transferred"' in row["body"] for row in said) == 1
    await world.assert_books_hold()


async def test_a_loan_that_is_found_only_under_the_lock_is_given_back_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker was told of its other half between the two looks."""
    one, other = await merged(world)
    third = uuid4()
    await world.apply(sale(third, 700), assigned(third, one))
    await adjust(world, other, -57, kind="spent")
    look, looks = store.borrowed_apart, 0

    async def seen_late(tx: Transaction, subject_ids: Collection[UUID]) -> list[Borrowed]:
        nonlocal looks
        looks += 1
        return [loan for loan in await look(tx, subject_ids) if looks > 1 or loan.subject_id == one]

    monkeypatch.setattr(store, "borrowed_apart", seen_late)
    await world.apply(assigned(other, other, version=2))
    assert (await left(world, one), await left(world, other)) == (48, -48)
    await world.assert_books_hold()


async def test_nothing_is_given_back_among_those_who_stay_one_customer(world: World) -> None:
    one, other = await merged(world)
    third = uuid4()
    await world.apply(sale(third, 700), assigned(third, one))
    await adjust(world, other, -45, kind="spent")
    await world.apply(assigned(third, third, version=2), assigned(other, one, version=2))
    moved = await world.database.fetch(
        "SELECT DISTINCT subject_id FROM ledger_lines WHERE source = 'transfer' AND subject_id = ANY($1)",
        [one, other, third],
    )
    lent = await world.database.fetch("SELECT DISTINCT subject_id FROM points_borrowed WHERE borrower_id = $1", other)
    # Only who left takes their points along; between the two who stay nothing is booked.
    assert third not in {row["subject_id"] for row in lent} or {row["subject_id"] for row in moved} == {third, other}
    assert one not in {row["subject_id"] for row in moved}
    await world.assert_books_hold()


async def test_points_given_back_run_out_when_they_would_have(world: World) -> None:
    one, other = await merged(world)
    await adjust(world, other, -45, kind="spent")
    await world.apply(assigned(other, other, version=2))
    world.clock.set(NOW + 400 * DAY)
    await world.expire_points()
    assert (await points(world, one))["expired"] == 41
    await world.assert_books_hold()


async def test_what_is_given_back_pays_a_debt_first(world: World) -> None:
    one, other, receipt_id = uuid4(), uuid4(), uuid4()
    await world.apply(sale(one, 4100, receipt_id=receipt_id), sale(other, 900))
    await world.apply(assigned(one, one), assigned(other, one))
    await adjust(world, other, -45, kind="spent")
    await world.apply(goods_back(one, 4100, of=receipt_id))
    await world.apply(assigned(other, other, version=2))
    assert (await left(world, one), await left(world, other)) == (0, -36)
    await world.assert_books_hold()


async def test_points_given_by_hand_are_whose_they_were_named_for(world: World) -> None:
    one, other = await merged(world)
    await adjust(world, other, 100)
    await world.apply(assigned(other, other, version=2))
    assert (await left(world, one), await left(world, other)) == (41, 109)


async def test_three_are_parted_in_any_order_with_the_same_balances(world: World) -> None:
    seen = set()
    for order in itertools.permutations(range(3)):
        people = [uuid4() for _ in range(3)]
        await world.apply(*(sale(one, 1000 * number) for number, one in enumerate(people, 1)))
        await world.apply(*(assigned(one, people[0]) for one in people))
        await adjust(world, people[2], -45, kind="spent")
        await adjust(world, people[0], -10, kind="spent")
        for number in order:
            await world.apply(assigned(people[number], people[number], version=2))
        seen.add(tuple([await left(world, one) for one in people]))
        await world.assert_books_hold()
    assert seen == {(0, 20, -15)}


async def test_spending_while_the_two_are_parted_is_settled_either_way(world: World) -> None:
    for _ in range(5):
        one, other = await merged(world)
        answers: Any = await asyncio.gather(
            adjust(world, other, -45, kind="spent"), world.apply(assigned(other, other, version=2))
        )
        spent = 45 if answers[0].status_code == 200 else 0
        assert (await left(world, one), await left(world, other)) == (41, 9 - spent)
    await world.assert_books_hold()


async def uses(world: World, *customer_ids: UUID) -> tuple[int, ...]:
    rows = await world.database.fetch(
        "SELECT customer_id, uses FROM customer_uses WHERE customer_id = ANY($1)", list(customer_ids)
    )
    found = {row["customer_id"]: row["uses"] for row in rows}
    return tuple(found.get(one, 0) for one in customer_ids)


async def test_a_coupon_used_while_merged_counts_as_its_holders_after_it(world: World) -> None:
    holder, code = await world.coupon()
    other = uuid4()
    await world.apply(assigned(other, other), assigned(holder, other))
    answer = await redeem(world, code, customer_id=str(other))
    assert answer.status_code == 200, answer.text
    assert await uses(world, holder, other) == (0, 1)
    for version in range(2, 6):
        for _ in range(2):
            await world.apply(assigned(holder, holder if version % 2 == 0 else other, version=version))
        assert await uses(world, holder, other) == (1, 0)
    await world.assert_books_hold()
    redeemed = await world.database.fetchval("SELECT customer_id FROM redemption_items WHERE customer_id = $1", other)
    assert redeemed == other
    where = f"/v1/redemptions/{answer.json()['redemption_id']}/rollbacks"
    back = await world.client("till").post(where, json={"reason": "wrong"}, headers=once())
    assert back.status_code == 200, back.text
    assert await uses(world, holder, other) == (0, 0)
    await world.assert_books_hold()


async def test_a_redemption_while_the_two_are_parted_counts_as_the_holders(world: World) -> None:
    for _ in range(5):
        holder, code = await world.coupon()
        other = uuid4()
        await world.apply(assigned(other, other), assigned(holder, other))
        answers: Any = await asyncio.gather(redeem(world, code), world.apply(assigned(holder, holder, version=2)))
        assert answers[0].status_code == 200, answers[0].text
        assert await uses(world, holder, other) == (1, 0)
    await world.assert_books_hold()


@pytest.mark.parametrize("erased", [0, 1])
async def test_after_an_erasure_of_one_the_books_of_the_other_hold(world: World, erased: int) -> None:
    holder, code = await world.coupon()
    other = uuid4()
    await world.apply(sale(holder, 900), sale(other, 4100), assigned(other, other), assigned(holder, other))
    await redeem(world, code, customer_id=str(other))
    await adjust(world, holder, -45, kind="spent")
    await world.apply(assigned(holder, holder, version=2))
    pair = (holder, other)
    gone, stays = pair[erased], pair[1 - erased]
    erased_data = CustomerErasedV1(erasure_id=uuid4(), customer_id=gone, subject_ids=(gone,))
    await world.apply(envelope(erased_data, gone))
    assert await left(world, stays) == {holder: -36, other: 41}[stays]
    assert await uses(world, stays) == ({holder: 1, other: 0}[stays],)
    await world.assert_books_hold()
    for table in ("points_borrowed", "use_transfers", "ledger_lines", "customer_uses", "redemption_items"):
        rows = await world.database.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM {table} t")
        assert str(gone) not in rows, table
