"""Every example message goes through every consumer that the catalogue names for its topic."""

from collections.abc import Callable, Iterator

import pytest

from shared.db import Database
from shared.events import TOPICS, decode
from shared.events.catalogue import EXAMPLES
from tests.contract.conftest import NAMES, Ready

pytestmark = pytest.mark.postgres

ReadyService = Callable[[str], Ready]


def deliveries() -> Iterator[object]:
    """Yield (consumer, topic, example) for the whole catalogue."""
    for topic in TOPICS:
        files = sorted(
            file for each in {e.event_type for e in topic.events} for file in (EXAMPLES / each).rglob("*.json")
        )
        for consumer in topic.consumers:
            for file in files:
                body = file.read_bytes()
                yield pytest.param(consumer, topic.name, body, id=f"{consumer}-{file.parts[-3]}-{file.stem}")


def test_every_version_of_every_type_has_an_example() -> None:
    classes = [each for topic in TOPICS for each in topic.events]
    folders = {EXAMPLES / each.event_type / f"v{each.event_version}" for each in classes}
    assert not [folder for folder in folders if not list(folder.glob("*.json"))]
    assert {file.parent for file in EXAMPLES.rglob("*.json")} == folders


@pytest.mark.parametrize("name", NAMES)
async def test_a_service_consumes_what_the_catalogue_says_and_nothing_else(ready: ReadyService, name: str) -> None:
    there = ready(name)
    database = await Database.connect(there.settings.database_url.get_secret_value(), application="tests")
    try:
        async with there.service.work(there.settings, database) as work:
            consumed = set(work.subscription.topics) if work.subscription else set()
    finally:
        await database.close()
    assert consumed == {topic.name for topic in TOPICS if name in topic.consumers}


@pytest.mark.parametrize(("consumer", "topic", "body"), list(deliveries()))
async def test_an_example_is_applied_twice_without_harm(
    ready: ReadyService, consumer: str, topic: str, body: bytes
) -> None:
    there = ready(consumer)
    event = decode(body)
    database = await Database.connect(there.settings.database_url.get_secret_value(), application="tests")
    try:
        async with there.service.work(there.settings, database) as work:
            assert work.subscription is not None
            assert topic in work.subscription.topics
            for _ in range(2):
                async with database.transaction() as tx:
                    await work.subscription.dispatch(tx, [event])
    finally:
        await database.close()
