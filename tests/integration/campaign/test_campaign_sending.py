"""Messages on their way out: each once, whatever breaks or is stopped meanwhile."""

from collections import Counter
from uuid import UUID

import orjson
import pytest

from services.campaign.channels import Delivery, FileOutbox, Ready
from services.campaign.store.messages import claim_batch
from tests.integration.campaign.world import (
    DAY,
    NOW,
    World,
)

pytestmark = pytest.mark.postgres


class Crash(BaseException):
    """The process ends here."""


class CrashesAfterWriting:
    """A file outbox whose process ends once the file is written."""

    needs_address = False

    def __init__(self, outbox: FileOutbox) -> None:
        self.outbox = outbox

    async def send(self, batch: int, messages: list[Ready]) -> Delivery:
        await self.outbox.send(batch, messages)
        raise Crash


async def test_a_crash_between_sending_and_recording_leaves_one_line_per_message(world: World) -> None:
    segment_id, _ = await world.segment(7)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    outbox = FileOutbox(world.settings.data_dir / "outbox")
    with pytest.raises(Crash):
        await world.sending(channels={"file": CrashesAfterWriting(outbox)}, batch_max=3).run()
    before = [orjson.loads(line)["message_id"] for line in world.outbox()]
    assert len(before) == 3
    await world.sending(batch_max=3).run()
    after = [orjson.loads(line)["message_id"] for line in world.outbox()]
    assert len(after) == len(set(after)) == 7
    assert set(before) <= set(after)
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"sent": 7}


class Mailbox:
    """A mail server that loses its connection on the first batch, after having taken everything."""

    needs_address = True

    def __init__(self) -> None:
        self.taken: list[Ready] = []

    async def send(self, batch: int, messages: list[Ready]) -> Delivery:
        is_first = not self.taken
        self.taken += messages
        return Delivery(again=frozenset(m.message_id for m in messages) if is_first else frozenset())


async def test_an_email_of_unknown_fate_goes_out_again_under_its_own_id(world: World) -> None:
    segment_id, customer_ids = await world.segment(3)
    world.ingest.addresses = {each: f"{each}@shop.example" for each in customer_ids[:2]}
    template = {"subject": "For you", "body": "{{ code }}"}
    audience = {"segments_any": [segment_id]}
    world.allow_email()
    campaign_id = await world.started(audience=audience, holdout_share=0, template=template, channel="email")
    mailbox = Mailbox()
    await world.sending(channels={"email": mailbox}).run()
    world.clock.advance(DAY)
    await world.sending(channels={"email": mailbox}).run()
    assert set(Counter(ready.message_id for ready in mailbox.taken).values()) == {2}
    assert len({ready.message_id for ready in mailbox.taken}) == 2
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"sent": 2, "suppressed": 1}


async def test_no_message_is_first_at_every_attempt(world: World) -> None:
    segment_id, _ = await world.segment(12)
    await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    orders = []
    for _ in range(4):
        claimed = await claim_batch(world.database, world.clock.now(), 12)
        assert claimed == await claim_batch(world.database, world.clock.now(), 12), "after a crash, the same again"
        orders.append([message.message_id for message in claimed])
        await world.sending(channels={}).run()
        world.clock.advance(DAY)
    assert {frozenset(order) for order in orders} == {frozenset(orders[0])}
    assert len({tuple(order) for order in orders}) == 4


class StopsMeanwhile:
    """A mail server that is away, and takes so long to say so that the campaign is stopped before."""

    needs_address = False

    def __init__(self, world: World, campaign_id: str) -> None:
        self.world, self.campaign_id = world, campaign_id

    async def send(self, batch: int, messages: list[Ready]) -> Delivery:
        await self.world.client().post(f"/v1/campaigns/{self.campaign_id}:stop")
        assert await unsettled(self.world, self.campaign_id) == len(messages), "these may be going out at this moment"
        return Delivery(again=frozenset(each.message_id for each in messages[1:]))


async def unsettled(world: World, campaign_id: str) -> int:
    count: int = await world.database.fetchval(
        "SELECT count(*) FROM messages WHERE campaign_id = $1 AND settled_at IS NULL", UUID(campaign_id)
    )
    return count


async def withdrawn(world: World, campaign_id: str) -> int:
    count: int = await world.database.fetchval(
        "SELECT count(*) FROM coupons WHERE campaign_id = $1 AND withdrawn_at IS NOT NULL", UUID(campaign_id)
    )
    return count


async def test_what_was_put_off_when_the_campaign_stopped_is_withdrawn(world: World) -> None:
    segment_id, _ = await world.segment(3)
    other_segment, _ = await world.segment(2)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    other = await world.started(audience={"segments_any": [other_segment]}, holdout_share=0)
    await world.sending(channels={}).run()
    await world.client().post(f"/v1/campaigns/{campaign_id}:stop")
    await world.sending().run()
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"suppressed": 3}
    assert (await withdrawn(world, campaign_id), await withdrawn(world, other)) == (3, 0)
    assert await unsettled(world, other) == 2
    assert world.outbox() == []


async def test_what_was_going_out_when_the_campaign_stopped_is_settled_as_it_went(world: World) -> None:
    segment_id, _ = await world.segment(4)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    await world.sending(channels={"file": StopsMeanwhile(world, campaign_id)}).run()
    await world.sending().run()
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"sent": 1, "suppressed": 3}
    reasons = await world.database.fetch(
        "SELECT DISTINCT reason FROM messages WHERE campaign_id = $1 AND state = 'suppressed'", UUID(campaign_id)
    )
    assert [row["reason"] for row in reasons] == ["campaign_stopped"]
    assert await withdrawn(world, campaign_id) == 3


async def test_a_batch_cut_short_in_a_paused_campaign_is_withdrawn_only_when_that_stops(world: World) -> None:
    segment_id, _ = await world.segment(3)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    await claim_batch(world.database, NOW, 2)
    await world.client().post(f"/v1/campaigns/{campaign_id}:pause")
    await world.sending().run()
    assert (await unsettled(world, campaign_id), await withdrawn(world, campaign_id)) == (3, 0)
    await world.client().post(f"/v1/campaigns/{campaign_id}:stop")
    assert await unsettled(world, campaign_id) == 2
    await world.sending().run()
    assert (await unsettled(world, campaign_id), await withdrawn(world, campaign_id)) == (0, 3)
    assert world.outbox() == []


async def test_a_campaign_without_a_way_out_holds_no_other_up(world: World) -> None:
    stuck_segment, _ = await world.segment(2)
    stuck = await world.started(audience={"segments_any": [stuck_segment]}, holdout_share=0)
    await world.sending(channels={}).run()
    segment_id, _ = await world.segment(3)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    await world.sending().run()
    assert {orjson.loads(line)["campaign_id"] for line in world.outbox()} == {campaign_id}
    world.clock.advance(DAY)
    await world.sending().run()
    assert {orjson.loads(line)["campaign_id"] for line in world.outbox()} == {campaign_id, stuck}


async def test_an_offer_that_is_over_is_not_sent(world: World) -> None:
    segment_id, _ = await world.segment(3)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    world.clock.advance(31 * DAY)
    await world.sending().run()
    assert world.outbox() == []
    rows = await world.database.fetch("SELECT state, reason FROM messages WHERE campaign_id = $1", UUID(campaign_id))
    assert {tuple(row) for row in rows} == {("suppressed", "too_late")}
