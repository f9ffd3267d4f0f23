"""A million receipts, one in twenty sent twice, while processes are killed: recounted from the tills' own book.

REGULARS_FAULTS_EVENTS, REGULARS_FAULTS_MANY_KILLS and REGULARS_FAULTS_PER_SECOND make it shorter, or faster.
"""

import os
import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.ports import free_port
from tests.faults.conftest import Shop
from tests.faults.count import open_tables
from tests.faults.deployment import ALL_SERVICES, deployed
from tests.faults.harness import drawn_seed, measured
from tests.faults.killing import Killing
from tests.faults.tills import Book, selling, tills
from tests.fixtures.brokers import note_use
from tests.fixtures.waiting import until

EVENTS = int(os.environ.get("REGULARS_FAULTS_EVENTS", "1_000_000"))
KILLS = int(os.environ.get("REGULARS_FAULTS_MANY_KILLS", "200"))
PER_SECOND = float(os.environ.get("REGULARS_FAULTS_PER_SECOND", "500"))
SELLING_SECONDS = EVENTS / PER_SECOND
# A machine that cannot keep up falls behind; ingest accepts all the same, and the log waits.
SOLD_SECONDS = 3 * SELLING_SECONDS + 60
LEVEL_SECONDS = SELLING_SECONDS + 60

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.broker,
    pytest.mark.faults,
    pytest.mark.long,
    pytest.mark.timeout(SOLD_SECONDS + LEVEL_SECONDS + 900),
]


@pytest.fixture
def large_shop(postgres: EmbeddedPostgres, deployment_folder: Callable[[], Path]) -> Iterator[Shop]:
    """Five services of the test's own: what it leaves behind would make every later count slow."""
    folder = deployment_folder()
    broker = EmbeddedBroker(folder, free_port())
    seed, book = drawn_seed("the shop of many events"), Book()
    try:
        broker.start()
        note_use(broker)
        with deployed(ALL_SERVICES, folder, postgres, broker.bootstrap_servers) as deployment:
            yield Shop(deployment, broker, seed, book, tills(book, seed, PER_SECOND))
    finally:
        broker.kill()


async def test_of_a_million_receipts_none_is_lost_and_none_counted_twice_through_two_hundred_kills(
    large_shop: Shop,
) -> None:
    shop, book = large_shop, large_shop.book
    killing = Killing(shop.deployment, shop.broker, random.Random(shop.seed))
    pause_seconds = SELLING_SECONDS / KILLS

    async def all_sold() -> bool:
        return len(book.acknowledged) >= EVENTS

    async with open_tables(shop.deployment) as tables:
        async with selling(shop.deployment, shop.tills):
            await killing.run(KILLS, (pause_seconds * 0.67, pause_seconds * 1.33))
            await until(all_sold, SOLD_SECONDS, pause_seconds=1.0)
        level = await tables.seconds_until_level(book, LEVEL_SECONDS)
        found = await tables.count(book)
    measured.append(
        f"many events on {shop.broker.name}: seed {shop.seed}, {sum(killing.killed.values())} kills in"
        f" {killing.seconds:.0f} s ({killing}); {len(book.acknowledged)} receipts acknowledged at {PER_SECOND:g}/s"
        f" offered, {book.repeats} repeated, {book.unanswered} sent again unanswered; all five services level"
        f" {max(level.values()):.0f} s after the last; {found}"
    )
    assert found.is_exact, measured[-1]
    assert sum(killing.killed.values()) == KILLS
    assert book.repeats >= len(book.acknowledged) // 25
