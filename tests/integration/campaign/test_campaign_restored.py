"""Campaign alone is put back to an older back-up: nobody is written to twice, and what nobody can know is said."""

from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import orjson
import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.campaign.app import MIGRATIONS, SERVICE
from services.campaign.store.messages import claim_batch
from shared import migrations
from shared.service import run_restored
from tests.fixtures.backups import back_up, restore
from tests.fixtures.postgres import fresh_database
from tests.integration.campaign.world import World, campaign_plan, once, open_world, redemption

pytestmark = pytest.mark.postgres


@pytest.fixture
def dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """A database of the test's own: it is dropped and made again."""
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, MIGRATIONS)
        yield dsn


async def send(world: World, messages: int) -> None:
    """Send so many of those that wait."""
    claimed = await claim_batch(world.database, world.clock.now(), messages)
    assert len(claimed) == messages
    await world.sending()._send(claimed)


def written(world: World) -> list[str]:
    return [orjson.loads(line)["message_id"] for line in world.outbox()]


async def states(world: World) -> dict[tuple[str, str | None], int]:
    rows = await world.database.fetch("SELECT state, reason, count(*) AS n FROM messages GROUP BY state, reason")
    return {(row["state"], row["reason"]): row["n"] for row in rows}


async def test_what_was_sent_after_the_back_up_is_not_sent_again(
    dsn: str, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    file = tmp_path / "campaign.dump"
    async with open_world(dsn, tmp_path) as world:
        segment_id, _ = await world.segment(9)
        plan = {"audience": {"segments_any": [segment_id]}, "holdout_share": 0}
        running = await world.started(**plan)
        await send(world, 2)
        approved = (await world.client().post("/v1/campaigns", json=campaign_plan(**plan))).json()["campaign_id"]
        assert (await world.client().post(f"/v1/campaigns/{approved}:approve")).status_code == 200
        back_up(postgres, dsn, file)
        await send(world, 3)
        await world.client().post(f"/v1/campaigns/{approved}:start")
        await world.prepare()
        sent_since = written(world)
        codes = await world.codes(running)
    restore(postgres, dsn, file)

    async with open_world(dsn, tmp_path) as world:
        told = await run_restored(SERVICE, world.settings)
        assert told[0].startswith("the log goes on as campaign#2")
        assert any("`rebuild profile --accept`" in line for line in told)
        assert any("1 campaigns were under way and are stopped; 7 of their messages" in line for line in told)
        assert any("1 approved campaigns are drafts again" in line for line in told)

        await world.prepare()
        await world.sending().run()
        assert written(world) == sent_since
        assert await states(world) == {("sent", None): 2, ("suppressed", "restored"): 7}
        campaigns = {
            str(row["campaign_id"]): row["state"]
            for row in await world.database.fetch("SELECT campaign_id, state FROM campaigns")
        }
        assert campaigns == {running: "stopped", approved: "draft"}
        # Whoever was written to holds a coupon, and it is honoured.
        code = codes[next(iter(codes))]
        answer = await world.client().post("/v1/redemptions", json=redemption(code), headers=once())
        assert answer.status_code in {200, 201}, answer.text
        assert UUID(answer.json()["redemption_id"])
        await world.assert_books_hold()
