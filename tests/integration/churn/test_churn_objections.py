"""Whoever withdrew consent to personalisation has no score and no warning, from the moment that it arrives."""

from datetime import timedelta
from typing import Literal
from uuid import UUID

import pytest

from services.churn.errors import ProfilingRefused
from services.churn.handlers.standing import standing_of
from shared.db import Database
from shared.events.customers import ConsentChangedV1
from shared.registry import Registry
from tests.integration.churn.shops import (
    LAST_DAY,
    NOW,
    SHOPPERS,
    Event,
    apply,
    assigned,
    envelope,
    named,
    said,
    shopper,
)
from tests.integration.churn.test_churn_scoring import score, shop_database, warned

__all__ = ["shop_database"]
pytestmark = pytest.mark.postgres


def objects(
    subject_id: UUID,
    state: Literal["granted", "withdrawn"] = "withdrawn",
    hours: int = 0,
    purpose: str = "personalisation",
) -> Event:
    data = ConsentChangedV1.model_validate({"channel": "any", "purpose": purpose, "state": state})
    return envelope(data, named(f"{subject_id} {state} {hours} {purpose}"), NOW + timedelta(hours=hours), subject_id)


async def scored(database: Database) -> set[UUID]:
    return {row["customer_id"] for row in await database.fetch("SELECT DISTINCT customer_id FROM scores")}


async def test_a_withdrawal_ends_score_and_warning_at_once(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    one = min(await warned(shop_database))
    await apply(shop_database, objects(one))
    assert one not in await scored(shop_database)
    assert one not in await warned(shop_database)
    last = (await said(shop_database))[-1]
    assert (last.type, last.data.customer_id, last.data.outcome) == ("WarningClosed", one, "dismissed")
    with pytest.raises(ProfilingRefused):
        await standing_of(shop_database, one, LAST_DAY)


async def test_an_objector_is_not_scored_and_is_again_once_they_allow_it(
    shop_database: Database, registry: Registry
) -> None:
    await apply(shop_database, objects(shopper(0)), objects(shopper(1), purpose="marketing"))
    assert (await score(shop_database, registry))["customers"] == SHOPPERS - 1
    assert shopper(0) not in await scored(shop_database) | await warned(shop_database)
    await apply(shop_database, objects(shopper(0), "granted", hours=1))
    assert (await score(shop_database, registry))["customers"] == SHOPPERS


async def test_a_merge_takes_the_stricter(shop_database: Database, registry: Registry) -> None:
    await score(shop_database, registry)
    one = min(await warned(shop_database))
    other = shopper(1)
    await apply(shop_database, objects(other), objects(one, "granted", hours=1))
    assert one in await warned(shop_database)
    await apply(shop_database, assigned(one, one), assigned(other, one))
    await score(shop_database, registry)
    assert one not in await scored(shop_database) | await warned(shop_database)


async def test_the_latest_word_counts_in_any_order(database: Database) -> None:
    words = [objects(shopper(0)), objects(shopper(0), "granted", hours=1)]
    for order in (words, words[::-1]):
        await database.execute("TRUNCATE consents")
        for word in order:
            await apply(database, word)
        assert await database.fetchval("SELECT is_withdrawn FROM consents") is False
