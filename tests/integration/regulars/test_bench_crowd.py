"""The crowd among whom somebody is looked up: as many as were asked for, each as the services would have them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from regulars.bench.crowd import RECEIPTS, RECEIPTS_ASKED, Asked, fill
from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import MIGRATIONS as INGEST
from services.profile.app import MIGRATIONS as PROFILE
from services.profile.domain.profile import AsOf, Chain
from services.profile.handlers.profiles import profile_of
from shared import migrations
from shared.clock import SystemClock
from shared.db import Database
from shared.identity import BlindIndexKeys
from tests.fixtures.postgres import fresh_database

pytestmark = pytest.mark.postgres

CUSTOMERS = 500
KEYS = BlindIndexKeys.from_deployment_key(bytes(range(32)))
ASKED = [Asked.of(KEYS, number) for number in range(3)]


def _migrated(postgres: EmbeddedPostgres, folder: Path) -> Iterator[str]:
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, folder)
        yield dsn


@pytest.fixture
def ingest(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield from _migrated(postgres, INGEST)


@pytest.fixture
def profile(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield from _migrated(postgres, PROFILE)


async def test_everybody_is_in_both_services_and_those_asked_for_have_more(ingest: str, profile: str) -> None:
    await fill(ingest, profile, ASKED, CUSTOMERS, lambda _: None)
    database = await Database.connect(profile, application="test")
    try:
        assert await database.fetchval("SELECT count(*) FROM customers") == CUSTOMERS
        as_of = AsOf(Chain("USD", "America/New_York"), SystemClock().now())
        found = await profile_of(database, ASKED[0].subject_id, as_of)
        assert found.standing.totals.main.figures.receipts == RECEIPTS_ASKED
        assert {one.namespace for one in found.identifiers} == {"phone", "loyalty_card"}
        assert found.favourite_categories
        assert [consent.channel for consent in found.consents] == ["sms"]
        rows = await database.fetchval("SELECT count(*) FROM receipts")
        assert rows == len(ASKED) * RECEIPTS_ASKED + (CUSTOMERS - len(ASKED)) * RECEIPTS
    finally:
        await database.close()
    database = await Database.connect(ingest, application="test")
    try:
        assert await database.fetchval("SELECT count(*) FROM subjects") == CUSTOMERS + len(ASKED)
        known = await database.fetchval("SELECT masked FROM subjects WHERE subject_id = $1", ASKED[1].subject_id)
        assert known.endswith("0001")
        assert await database.fetchval("SELECT to_regclass('bench_people')") is None
    finally:
        await database.close()


def test_no_two_numbers_give_the_same_telephone() -> None:
    assert len({Asked.of(KEYS, number).subject_id for number in range(50)}) == 50
