"""Ingest itself after its database was put back: its log goes on under another name, and nothing is doubled."""

import httpx
import pytest

from services.ingest.app import SERVICE, build_api, put_sources
from services.ingest.settings import Settings
from shared.errors import Conflict
from shared.log.restoring import StillServed
from shared.service import run_restored
from tests.integration.ingest.conftest import Keys, Running, emptied, receipt

pytestmark = pytest.mark.postgres


async def states(running: Running, *numbers: int) -> list[str]:
    results = await running.results("/v1/receipts", [receipt(number) for number in numbers])
    return [each["status"] for each in results]


async def test_a_log_that_is_served_is_not_renamed(ingest: Running) -> None:
    with pytest.raises(StillServed, match="ingest-api"):
        await run_restored(SERVICE, ingest.settings)


async def test_a_restored_ingest_goes_on_under_another_name_and_knows_what_came_before(
    settings: Settings, keys: Keys
) -> None:
    for dsn in (settings.database_url, settings.vault_database_url):
        await emptied(dsn.get_secret_value())
    await put_sources(settings)
    assert await said_in_one_life(settings, keys, 1, 2) == ["accepted", "accepted"]
    told = await run_restored(SERVICE, settings)
    assert told[0].startswith("the log goes on as ingest#2")
    consumers = [line for line in told if line.startswith("`rebuild ")]
    assert [line.split()[1] for line in consumers] == ["campaign", "churn", "profile", "recommend"]
    assert await said_in_one_life(settings, keys, 1, 2, 3) == ["repeat", "repeat", "accepted"]
    with pytest.raises(Conflict, match="3 or higher"):
        await run_restored(SERVICE, settings, 2)
    assert (await run_restored(SERVICE, settings, 9))[0].startswith("the log goes on as ingest#9")


async def said_in_one_life(settings: Settings, keys: Keys, *numbers: int) -> list[str]:
    app = build_api(settings)
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=httpx.ASGITransport(app=app), base_url="http://ingest") as client,
    ):
        state = app.state.ingest
        running = Running(client, state.database, state.vault._database, keys, settings, app)
        found = await states(running, *numbers)
        await running.number()
        return found
