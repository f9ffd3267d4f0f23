"""From the till to the broker: the real worker numbers, links and publishes."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from regulars.embedded.broker import EmbeddedBroker
from services.ingest.app import SERVICE
from services.ingest.settings import Settings
from shared.events import decode, topics_owned_by
from shared.kafka.aio import KafkaBroker
from shared.kafka.port import InRecord
from shared.service import run_worker
from shared.worker.process import Part
from tests.fixtures.waiting import until
from tests.integration.ingest.conftest import Running, receipt

pytestmark = [pytest.mark.postgres, pytest.mark.broker]
PAIR = [{"namespace": "loyalty_card", "value": "6001234567"}, {"namespace": "phone", "value": "13912345678"}]


@asynccontextmanager
async def working(settings: Settings, bootstrap_servers: str) -> AsyncIterator[None]:
    """The worker as `python -m services.ingest worker` runs it, in this process."""
    reachable = settings.model_copy(update={"bootstrap_servers": bootstrap_servers})
    task = asyncio.create_task(run_worker(SERVICE, reachable, frozenset(Part)))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def records(bootstrap_servers: str, wanted: int) -> list[InRecord]:
    broker = KafkaBroker(bootstrap_servers, "tests")
    places = {(topic.name, number): 0 for topic in topics_owned_by("ingest") for number in range(4)}
    found: list[InRecord] = []
    async with broker.subscriber(places) as subscriber, asyncio.timeout(20):
        while len(found) < wanted:
            found += await subscriber.poll(0.5, 1000)
    await broker.close()
    return found


async def test_an_acknowledged_receipt_is_numbered_linked_and_published(
    ingest: Running, settings: Settings, private_broker: EmbeddedBroker
) -> None:
    batch = [receipt(number, identifiers=PAIR if number == 1 else PAIR[:1]) for number in range(1, 21)]
    results = await ingest.results("/v1/receipts", {"receipts": batch})

    async def is_published() -> bool:
        states = [
            (await ingest.get(f"/v1/events/{one['message_id']}")).json()["state"] for one in (results[0], results[-1])
        ]
        return states == ["published", "published"]

    async with working(settings, private_broker.bootstrap_servers):
        await until(is_published, 20)
        found = await records(private_broker.bootstrap_servers, 22)
    assert {str(decode(one.value).event_id) for one in found} >= {one["message_id"] for one in results}
    assigned = [decode(one.value) for one in found if b"SubjectAssigned" in dict(one.headers)["type"]]
    assert len(assigned) == 2
    by_place: dict[tuple[str, int], list[int]] = {}
    for one in found:
        by_place.setdefault((one.topic, one.partition), []).append(int(dict(one.headers)["seq"]))
    for seqs in by_place.values():
        assert seqs == list(range(1, len(seqs) + 1))


async def test_receipts_are_accepted_while_the_broker_is_away_and_published_after(
    ingest: Running, settings: Settings, private_broker: EmbeddedBroker
) -> None:
    private_broker.stop()
    async with working(settings, private_broker.bootstrap_servers):
        (result,) = await ingest.results("/v1/receipts", receipt())

        async def is_in_state(state: str) -> bool:
            where = (await ingest.get(f"/v1/events/{result['message_id']}")).json()
            return bool(where["state"] == state)

        await until(lambda: is_in_state("numbered"), 10)
        private_broker.start()
        await until(lambda: is_in_state("published"), 20)


async def test_the_log_serves_what_was_numbered(ingest: Running) -> None:
    await ingest.results("/v1/receipts", {"receipts": [receipt(number) for number in range(1, 4)]})
    await ingest.number()
    heads = (await ingest.get("/v1/log/heads")).json()
    assert heads["origin"] == "ingest#1"
    receipts = [head for head in heads["heads"] if head["topic"] == "retail.receipts.v1"]
    assert [head["numbered"] for head in receipts] == [3]
    page = await ingest.get(f"/v1/log/retail.receipts.v1/{receipts[0]['partition']}", after_seq=1)
    assert page.status_code == 200
    assert len(page.text.splitlines()) == 4
