"""The broker of running services is killed and comes back empty while receipts flow."""

import asyncio
import os
import random

import pytest

from regulars.embedded.broker import EmbeddedBroker
from tests.faults.conftest import Deploy
from tests.faults.harness import measured
from tests.faults.tills import Book, open_tables, tills
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(300)]

SERVICES = ("ingest", "profile")
FLOWING_SECONDS = 5.0
AWAY_SECONDS = 2.0
LEVEL_SECONDS = 60.0


async def test_profile_comes_level_by_itself_after_the_broker_forgot_everything(
    deploy: Deploy, private_broker: EmbeddedBroker
) -> None:
    seed = int(os.environ.get("REGULARS_TEST_SEED", random.randrange(2**32)))
    book, ends = Book(), asyncio.Event()
    with deploy(SERVICES, bootstrap_servers=private_broker.bootstrap_servers) as deployment:
        async with open_tables(deployment) as tables, deployment.client("ingest") as client:
            async with asyncio.TaskGroup() as group:
                for till in tills(book, seed):
                    group.create_task(till.send_until(ends, client))
                await asyncio.sleep(FLOWING_SECONDS)
                private_broker.kill()
                sent_before = len(book.acknowledged)
                await asyncio.sleep(AWAY_SECONDS)
                private_broker.start()
                sent_while_away = len(book.acknowledged)
                noticed = await until(lambda: tables.holds(sent_while_away), LEVEL_SECONDS)
                await asyncio.sleep(FLOWING_SECONDS)
                ends.set()
            level = await until(lambda: tables.holds(len(book.acknowledged)), LEVEL_SECONDS)
            found = await tables.count(book)
    measured.append(
        f"the broker forgot {sent_before} receipts (seed {seed}): {sent_while_away - sent_before} more were"
        f" acknowledged while it was away; profile had all of them {noticed:.1f} s after its empty start, and"
        f" {len(book.acknowledged)} {level:.1f} s after the last; {found}"
    )
    assert sent_while_away > sent_before, "ingest did not accept without a broker"
    assert found.is_exact, measured[-1]
