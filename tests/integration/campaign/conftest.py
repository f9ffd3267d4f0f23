"""A migrated database of campaign, its API in process, and short ways to tell it what happened."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.campaign.app import MIGRATIONS
from shared import migrations
from tests.fixtures.postgres import fresh_database
from tests.integration.campaign.world import World, open_world


@pytest.fixture(scope="module")
def campaign_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One migrated database for a module's tests: they share it and meet only their own customers."""
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
async def world(campaign_dsn: str, tmp_path: Path) -> AsyncIterator[World]:
    async with open_world(campaign_dsn, tmp_path) as world:
        yield world
        # What this test left running must not be sent by the next one.
        await world.database.execute(
            "UPDATE campaigns SET state = 'stopped', stopped_at = now() WHERE state IN ('running', 'paused')"
        )
