"""The broker is away while events come: none is refused, none lost, and what waited is everywhere within two minutes.

REGULARS_FAULTS_AWAY_SECONDS and REGULARS_FAULTS_BACKLOG make it shorter.
"""

import asyncio
import base64
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any
from uuid import UUID

import orjson
import pytest

from regulars.bench.pace import connected, flat_out
from regulars.bench.wire import Request
from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.ports import free_port
from shared.db import Database
from tests.faults.conftest import Shop
from tests.faults.count import open_tables
from tests.faults.deployment import Deployment, deployed
from tests.faults.harness import measured
from tests.faults.tills import selling
from tests.fixtures.brokers import note_use
from tests.fixtures.waiting import until

AWAY_SECONDS = float(os.environ.get("REGULARS_FAULTS_AWAY_SECONDS", "600"))
BACKLOG = int(os.environ.get("REGULARS_FAULTS_BACKLOG", "120_000"))
PER_SECOND_MIN = 200.0
DRAINED_SECONDS = 120.0
NUMBERED_SECONDS = 60.0
EVENTS_A_REQUEST = 500
CONNECTIONS = 4
SHOPPERS = 5_000
ALL_PUBLISHED = (
    "SELECT NOT EXISTS (SELECT FROM unnumbered) AND"
    " (SELECT coalesce(sum(last), 0) FROM (SELECT max(seq) AS last FROM numbered GROUP BY topic, partition) AS lines)"
    " = (SELECT coalesce(sum(published_seq), 0) FROM watermarks)"
)
"""Every number of every line lies under its watermark."""

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.broker,
    pytest.mark.faults,
    pytest.mark.timeout(AWAY_SECONDS + 2 * DRAINED_SECONDS + 300),
]


@dataclass(frozen=True)
class WebShop:
    """Ingest and profile, and the broker between them."""

    deployment: Deployment
    broker: EmbeddedBroker


@pytest.fixture
def web_shop(postgres: EmbeddedPostgres, deployment_folder: Callable[[], Path]) -> Iterator[WebShop]:
    folder = deployment_folder()
    broker = EmbeddedBroker(folder, free_port())
    try:
        broker.start()
        note_use(broker)
        with deployed(("ingest", "profile"), folder, postgres, broker.bootstrap_servers) as deployment:
            yield WebShop(deployment, broker)
    finally:
        broker.kill()


async def test_a_long_backlog_is_in_the_profile_within_two_minutes_of_the_brokers_return(web_shop: WebShop) -> None:
    """The consumer is away too, or it would have read ingest's log meanwhile and nothing were left to drain."""
    deployment, broker = web_shop.deployment, web_shop.broker
    products = [f"P{number:07d}" for number in range(BACKLOG)]
    worker = deployment.processes["profile-worker"]
    async with open_tables(deployment) as tables:
        ingest, profile = tables.databases["ingest"], tables.databases["profile"]
        worker.kill()
        broker.kill()
        seconds = await assert_accepted(deployment, products)
        await until(partial(is_true, ingest, "SELECT NOT EXISTS (SELECT FROM unnumbered)"), NUMBERED_SECONDS)
        broker.start()
        worker.start()
        began = time.monotonic()
        await until(partial(is_true, ingest, ALL_PUBLISHED), DRAINED_SECONDS)
        published_seconds = time.monotonic() - began
        enough = f"SELECT count(*) >= {BACKLOG} FROM moments"
        await until(partial(is_true, profile, enough), DRAINED_SECONDS, pause_seconds=0.2)
        drained_seconds = time.monotonic() - began
        kept = await profile.fetch("SELECT detail->>'product_id' AS product_id, subject_id FROM moments")
        assert not await profile.fetch("SELECT reason FROM dead_letters")
    measured.append(
        f"{BACKLOG} events taken without a broker at {BACKLOG / seconds:.0f}/s; after its return published in"
        f" {published_seconds:.1f} s, all in the profile in {drained_seconds:.1f} s"
    )
    assert_each_once(products, [(row["product_id"], row["subject_id"]) for row in kept])
    assert drained_seconds <= DRAINED_SECONDS, measured[-1]


async def assert_accepted(deployment: Deployment, products: Sequence[str]) -> float:
    """Have every product viewed once; assert that each view is acknowledged. Return how many seconds it took."""
    requests = [
        Request("POST", "/v1/batch", orjson.dumps({"batch": views(products[start : start + EVENTS_A_REQUEST])}))
        for start in range(0, len(products), EVENTS_A_REQUEST)
    ]
    user = base64.b64encode(f"{deployment.write_keys['server']}:".encode()).decode()
    async with connected(
        deployment.addresses["ingest-api"], {"Authorization": f"Basic {user}"}, CONNECTIONS
    ) as opened:
        run = (await flat_out(opened, requests)).checked()
    answers = Counter(result["status"] for answer in run.answers for result in answer.json()["results"])
    assert answers == {"accepted": len(products)}
    return run.seconds


def views(products: Sequence[str]) -> list[dict[str, Any]]:
    now = datetime.now(UTC).isoformat()
    return [
        {
            "type": "track",
            "event": "Product Viewed",
            "messageId": f"view-{product_id}",
            "userId": shopper_of(product_id),
            "timestamp": now,
            "sentAt": now,
            "properties": {"product_id": product_id, "price": 4.99, "currency": "USD"},
        }
        for product_id in products
    ]


def shopper_of(product_id: str) -> str:
    return f"user-{int(product_id[1:]) % SHOPPERS}"


def assert_each_once(products: Sequence[str], kept: Sequence[tuple[str, UUID]]) -> None:
    """Assert that each product was viewed once, and each shopper's views are one subject's and nobody else's."""
    assert Counter(product_id for product_id, _ in kept) == Counter(products)
    pairs = {(shopper_of(product_id), subject_id) for product_id, subject_id in kept}
    assert len(pairs) == len({shopper for shopper, _ in pairs}) == len({subject for _, subject in pairs})


async def is_true(database: Database, question: str) -> bool:
    return bool(await database.fetchval(question))


@pytest.mark.long
async def test_ten_minutes_without_a_broker_refuse_nothing_and_are_made_up_for_in_two(shop: Shop) -> None:
    """All five services go on meanwhile; the tills send at a steady rate and never have to send again."""
    book, sold_before, unanswered_before = shop.book, len(shop.book.acknowledged), shop.book.unanswered
    async with open_tables(shop.deployment) as tables:
        shop.broker.kill()
        async with selling(shop.deployment, shop.tills):
            await asyncio.sleep(AWAY_SECONDS)
        sold, refused = len(book.acknowledged) - sold_before, book.unanswered - unanswered_before
        began = time.monotonic()
        shop.broker.start()
        await until(partial(is_true, tables.databases["ingest"], ALL_PUBLISHED), DRAINED_SECONDS, pause_seconds=0.5)
        published_seconds = time.monotonic() - began
        level = await tables.seconds_until_level(book, DRAINED_SECONDS)
        found = await tables.count(book)
    measured.append(
        f"{shop.broker.name} away for {AWAY_SECONDS:g} s: {sold} receipts acknowledged ({sold / AWAY_SECONDS:.0f}/s),"
        f" {refused} refused; after its return published in {published_seconds:.1f} s, level everywhere"
        f" {max(level.values()):.1f} s later; {found}"
    )
    assert refused == 0, measured[-1]
    assert sold >= PER_SECOND_MIN * AWAY_SECONDS, measured[-1]
    assert found.is_exact, measured[-1]
    assert published_seconds + max(level.values()) <= DRAINED_SECONDS, measured[-1]
