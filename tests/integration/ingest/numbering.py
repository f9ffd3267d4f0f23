"""Numbering everything that waits, as ingest's worker does, but without a broker."""

from uuid import uuid4

from shared import leases
from shared.db import Database
from shared.events import topics_owned_by
from shared.kafka.aio import KafkaBroker
from shared.log import Numberer, Publisher
from shared.log.numberer import NumberingHook


async def number_all(database: Database, hook: NumberingHook) -> None:
    """Take the lease, whoever holds it, and number until nothing waits."""
    topics = [topic.name for topic in topics_owned_by("ingest")]
    publisher = Publisher(database, KafkaBroker("127.0.0.1:1", "tests"), "ingest", topics, 4)
    numberer = Numberer(database, publisher, "ingest", topics, 4, f"tests-{uuid4()}", hook=hook)
    await database.execute("UPDATE leases SET expires_at = '-infinity'")
    lease = await leases.claim(database, "numberer", numberer.holder)
    assert lease is not None
    numbers, heads = await numberer.number_once(lease, await numberer.read_heads())
    while numbers:
        numbers, heads = await numberer.number_once(lease, heads)
