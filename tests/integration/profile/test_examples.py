"""Every example message of the topics that profile consumes goes through its consumer."""

import pytest

from shared.db import Database
from shared.events import decode, topics_consumed_by
from shared.events.catalogue import EXAMPLES
from tests.integration.profile.histories import SUBSCRIPTION, apply

pytestmark = pytest.mark.postgres

TYPES = sorted({each.event_type for topic in topics_consumed_by("profile") for each in topic.events})
FILES = sorted(file for name in TYPES for file in (EXAMPLES / name).rglob("*.json"))
EVERYTHING = [file.read_bytes() for file in FILES]
BODIES = [pytest.param(file.read_bytes(), id=f"{file.parts[-3]}-{file.stem}") for file in FILES]
UNUSED = {"IdentityDecided", "PriceChanged", "StockChanged", "StaffChanged"}


@pytest.mark.parametrize("body", BODIES)
async def test_an_example_is_applied_twice_without_harm(database: Database, body: bytes) -> None:
    event = decode(body)
    await apply(database, event)
    await apply(database, event)


async def test_all_examples_are_applied_as_one_batch(database: Database) -> None:
    await apply(database, *(decode(body) for body in EVERYTHING))
    assert await database.fetchval("SELECT count(*) FROM receipts") > 0


def test_every_type_has_a_handler_or_is_left_out_on_purpose() -> None:
    assert set(TYPES) - set(SUBSCRIPTION.handlers) == UNUSED
    assert set(SUBSCRIPTION.handlers) <= set(TYPES)


def test_what_is_consumed_is_what_the_catalogue_says() -> None:
    assert set(SUBSCRIPTION.topics) == {topic.name for topic in topics_consumed_by("profile")}
