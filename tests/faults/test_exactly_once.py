"""Every process of all five services killed at random under load; recounted from the tills' own book."""

import asyncio
import os
import random
import time

import pytest

from tests.faults.conftest import Shop
from tests.faults.count import open_tables
from tests.faults.digests import digests
from tests.faults.harness import measured
from tests.faults.killing import Killing
from tests.faults.tills import selling
from tests.fixtures.brokers import Broker

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(480)]

SECONDS_MAX = 240.0
KILLS = 60
KILLS_SHORT = 20
# Some three times what was measured after the last kill.
LEVEL_SECONDS = 10.0
SELLING_SECONDS = 2.0
UPLOADED_AT_ONCE = 500


def kills_wanted(broker: Broker) -> int:
    """Sixty; fewer on the second broker, unless the whole matrix was asked for."""
    asked = os.environ.get("REGULARS_FAULTS_KILLS")
    if asked is not None:
        return int(asked)
    is_full = os.environ.get("REGULARS_FAULTS_FULL") == "1"
    return KILLS if is_full or broker.name.startswith("Tansu") else KILLS_SHORT


async def test_no_receipt_is_lost_and_none_counted_twice_while_every_process_is_killed(shop: Shop) -> None:
    kills, book, sold_before = kills_wanted(shop.broker), shop.book, len(shop.book.acknowledged)
    killing = Killing(shop.deployment, shop.broker, random.Random(shop.seed))
    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await killing.run(kills)
        level = await tables.seconds_until_level(book, LEVEL_SECONDS)
        found = await tables.count(book)
    measured.append(
        f"receipts on {shop.broker.name}: seed {shop.seed}, {kills} kills in {killing.seconds:.0f} s ({killing});"
        f" {len(book.acknowledged)} receipts acknowledged, {book.repeats} repeated, {book.unanswered} sent again"
        f" unanswered; all five services level {max(level.values()):.1f} s after the last; {found}"
    )
    assert found.is_exact, measured[-1]
    assert max(level.values()) <= LEVEL_SECONDS, measured[-1]
    assert killing.seconds <= SECONDS_MAX, measured[-1]
    assert len(book.acknowledged) > sold_before, "nothing was sent"


async def test_a_whole_day_uploaded_again_changes_nothing(shop: Shop) -> None:
    """Every receipt that the tills ever wrote, in files: answered as repeats, and no row of any service differs."""
    book = shop.book
    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await asyncio.sleep(SELLING_SECONDS)
        await tables.seconds_until_level(book, LEVEL_SECONDS)
        before, accepted, receipts = await digests(tables), book.answers["accepted"], len(book.acknowledged)
        repeated = book.answers["repeat"]
        began = time.monotonic()
        async with shop.deployment.client("ingest") as client:
            for till in shop.tills:
                await till.send_everything_again(UPLOADED_AT_ONCE, client)
        seconds = time.monotonic() - began
        after = await digests(tables)
    measured.append(f"{shop.broker.name}: {receipts} receipts uploaded again, {receipts / seconds:.0f} repeats/s")
    assert book.answers["repeat"] - repeated >= receipts
    assert book.answers["accepted"] == accepted
    assert not book.contradictions
    assert after == before
    assert all(rows for rows, _ in before.values()), f"a table without rows says nothing: {before}"
