"""Every example message goes through every consumer that the catalogue names for its topic."""

from collections.abc import Iterator

import pytest

from shared.db import Database
from shared.events import TOPICS, decode
from shared.events.catalogue import EXAMPLES
from shared.service import Work
from tests.contract.conftest import NAMES, Ready

pytestmark = pytest.mark.postgres

Opened = tuple[Database, Work]


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


@pytest.mark.parametrize("ready", NAMES, indirect=True)
async def test_a_service_consumes_what_the_catalogue_says_and_nothing_else(ready: Ready, work: Opened) -> None:
    _, doing = work
    consumed = set(doing.subscription.topics) if doing.subscription else set()
    assert consumed == {topic.name for topic in TOPICS if ready.service.name in topic.consumers}


@pytest.mark.parametrize(("ready", "topic", "body"), list(deliveries()), indirect=["ready"])
async def test_an_example_is_applied_twice_without_harm(work: Opened, topic: str, body: bytes) -> None:
    database, doing = work
    assert doing.subscription is not None
    assert topic in doing.subscription.topics
    for _ in range(2):
        async with database.transaction() as tx:
            await doing.subscription.dispatch(tx, [decode(body)])
