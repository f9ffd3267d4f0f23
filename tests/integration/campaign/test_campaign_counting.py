"""What campaign counts about itself: what was committed or answered, and each once."""

import asyncio
from typing import Any
from uuid import uuid4

import httpx
import pytest
from prometheus_client import REGISTRY

from shared.events import Envelope
from tests.integration.campaign.world import OFFER, World, once, redemption, sale

pytestmark = pytest.mark.postgres


class Undone(Exception):
    """The transaction is not committed."""


def counted() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """Every counter of campaign that is not zero."""
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if sample.name.startswith("campaign_") and sample.name.endswith("_total") and sample.value
    }


def risen(before: dict[Any, float]) -> dict[str, float]:
    """What rose since, by the counter's name and its labels' values."""
    return {
        " ".join([name, *(value for _, value in labels)]): value - before.get((name, labels), 0)
        for (name, labels), value in counted().items()
        if value != before.get((name, labels), 0)
    }


async def redeem(world: World, *codes: str, key: str | None = None) -> httpx.Response:
    body = redemption(codes[0])
    body["redeemables"] = [{"kind": "coupon", "id": code} for code in codes]
    return await world.client("till").post("/v1/redemptions", json=body, headers=once(key))


async def apply_and_undo(world: World, *events: Envelope[Any]) -> None:
    async with world.database.transaction() as tx:
        await world.apply_in(tx, *events)
        raise Undone


async def test_a_batch_that_is_undone_counts_nothing(world: World) -> None:
    before = counted()
    with pytest.raises(Undone):
        await apply_and_undo(world, sale(uuid4(), 5000))
    assert risen(before) == {}


async def test_points_that_are_said_are_as_many_as_the_ledger_has(world: World) -> None:
    """The ledger and its events are the count of points: there is no counter beside them to differ."""
    customer_id = uuid4()
    before = counted()
    await world.apply(sale(customer_id, 5000))
    assert risen(before) == {}
    earned = await world.database.fetchval(
        "SELECT sum(points) FROM ledger_lines WHERE subject_id = $1 AND account = 'member.active'", customer_id
    )
    assert earned == 50


async def test_a_redemption_counts_once_however_often_it_is_repeated(world: World) -> None:
    _, code = await world.coupon()
    before, key = counted(), uuid4().hex
    for _ in range(3):
        assert (await redeem(world, code, key=key)).status_code == 200
    assert risen(before) == {"campaign_redemptions_total applied": 1, "campaign_discount_minor_total CNY": 500}


async def test_a_refusal_counts_once_under_its_code(world: World) -> None:
    before = counted()
    assert (await redeem(world, "NO-SUCH-CODE")).status_code == 409
    assert risen(before) == {"campaign_redemptions_total not_found": 1}


async def test_a_cap_that_is_met_counts_once_under_its_code(world: World) -> None:
    _, code = await world.coupon(cap_total_discount_minor=100)
    before = counted()
    assert (await redeem(world, code)).json()["errors"][0]["limit"] == "campaign_discount"
    assert risen(before) == {"campaign_redemptions_total limit_reached": 1}


async def test_a_refusal_that_is_no_redemption_s_own_is_not_counted_as_one(world: World) -> None:
    _, code = await world.coupon()
    before = counted()
    answer = await world.client("till-S02").post("/v1/redemptions", json=redemption(code), headers=once())
    assert answer.status_code == 403
    assert risen(before) == {}


async def test_a_validation_counts_nothing(world: World) -> None:
    before = counted()
    answer = await world.client("till").post("/v1/validations", json=redemption("NO-SUCH-CODE"))
    assert not answer.json()["valid"]
    assert risen(before) == {}


async def test_tills_at_once_are_counted_as_they_were_answered(world: World) -> None:
    _, code = await world.coupon(**{**OFFER, "uses_per_code": 3, "uses_per_customer": 9})
    before = counted()
    answers = await asyncio.gather(*(redeem(world, code) for _ in range(8)))
    assert sorted(answer.status_code for answer in answers) == [200] * 3 + [409] * 5
    assert risen(before) == {
        "campaign_redemptions_total applied": 3,
        "campaign_redemptions_total limit_reached": 5,
        "campaign_discount_minor_total CNY": 1500,
    }
