"""Moments past their time go in lots, and no subject goes of whom something is just being told."""

import asyncio
from datetime import datetime, timedelta

import pytest

from services.profile.handlers import forgetting
from services.profile.handlers.forgetting import MOMENTS_AT_ONCE, forget_moments
from shared.db import Database
from shared.events.behaviour import PageViewedV1
from shared.events.feedback import InquiryOpenedV1
from shared.worker.tidying import tidy
from tests.integration.profile.histories import NOON, SUBSCRIPTION, Event, apply, envelope, named

pytestmark = pytest.mark.postgres
DEVICE = named("device")
OLD = NOON - timedelta(days=399)


def page(name: str, at: datetime = OLD) -> Event:
    return envelope(PageViewedV1(path="/"), named(name), at, DEVICE, "device")


async def test_a_subject_stays_that_a_running_transaction_tells_of(database: Database) -> None:
    """Its row is there already, so telling of it locks nothing of it: forgetting must wait."""
    await apply(database, page("old"))
    async with database.transaction() as telling:
        await SUBSCRIPTION.dispatch(telling, [page("new", NOON)])
        waiting = asyncio.create_task(tidy(database, NOON, (forget_moments,)))
        done, _ = await asyncio.wait({waiting}, timeout=0.3)
        assert not done
    await waiting
    assert await database.fetchval("SELECT count(*) FROM moments") == 1
    assert await database.fetchval("SELECT count(*) FROM subjects") == 1


async def test_what_is_told_while_a_subject_goes_brings_it_back(database: Database) -> None:
    await apply(database, page("old"))
    async with database.transaction() as tx:
        assert not await forget_moments(tx, NOON)
        telling = asyncio.create_task(apply(database, page("new", NOON)))
        done, _ = await asyncio.wait({telling}, timeout=0.3)
        assert not done
    await telling
    assert await database.fetchval("SELECT count(*) FROM subjects") == 1


async def test_a_lot_is_bounded_and_the_next_one_goes_on(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forgetting, "MOMENTS_AT_ONCE", 4)
    assert MOMENTS_AT_ONCE == 1000
    await apply(database, *(page(f"old {number}") for number in range(10)))
    async with database.transaction() as tx:
        assert await forget_moments(tx, NOON)
    assert await database.fetchval("SELECT count(*) FROM moments") == 6
    assert await database.fetchval("SELECT count(*) FROM subjects") == 1
    await tidy(database, NOON, (forget_moments,))
    assert await database.fetchval("SELECT count(*) FROM moments") == 0
    assert await database.fetchval("SELECT count(*) FROM subjects") == 0


async def test_moments_of_topics_that_are_kept_for_ever_stay(database: Database) -> None:
    data = InquiryOpenedV1(inquiry_id="q", channel="email", category="size", text="Is it back?")
    await apply(database, envelope(data, named("asked"), OLD, DEVICE, "device"), page("old"))
    await tidy(database, NOON, (forget_moments,))
    assert [row["type"] for row in await database.fetch("SELECT type FROM moments")] == ["InquiryOpened"]
    assert await database.fetchval("SELECT count(*) FROM subjects") == 1
