"""Identifiers that shop more than people do."""

from typing import Any

import pytest

from services.ingest.domain.policy import Policy
from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.handlers.identity.watching import Watching
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_deciding import OTHER_CARD, decided, queue
from tests.integration.ingest.test_identities import CARD, resolved

pytestmark = pytest.mark.postgres


FEW = Policy(receipts_per_day_max=5, tills_per_hour_max=3)


def watching(ingest: Running, policy: Policy = FEW) -> Watching:
    state = ingest.app.state.ingest
    deciding = Deciding(ingest.database, state.secrets, state.clock)
    return Watching(deciding, policy, 4)


async def shopped(ingest: Running, count: int, card: dict[str, str] = CARD, **changes: Any) -> None:
    batch = [receipt(number, identifiers=[card], **changes) for number in range(1, count + 1)]
    results = await ingest.results("/v1/receipts", {"receipts": batch}, ingest.keys.store)
    assert {one["status"] for one in results} == {"accepted"}
    await ingest.number()


async def looked(ingest: Running, policy: Policy = FEW) -> list[tuple[str, str]]:
    await watching(ingest, policy).run()
    await ingest.number()
    return [(one["subject_id"], one["reason"]) for one in await queue(ingest)]


async def test_a_card_on_too_many_receipts_a_day_is_put_aside(ingest: Running) -> None:
    await shopped(ingest, 6)
    await shopped(ingest, 5, OTHER_CARD, terminal_id="T4")
    card = await resolved(ingest, CARD)
    assert await looked(ingest) == [(card["subject_id"], "too_many_receipts")]


async def test_a_card_at_too_many_tills_an_hour_is_put_aside(ingest: Running) -> None:
    for terminal in ("T1", "T2", "T3", "T4"):
        await shopped(ingest, 1, terminal_id=terminal)
    card = await resolved(ingest, CARD)
    assert await looked(ingest) == [(card["subject_id"], "too_many_tills")]


async def test_each_receipt_is_counted_once_however_often_one_looks(ingest: Running) -> None:
    await shopped(ingest, 5)
    for _ in range(3):
        assert await looked(ingest) == []


async def test_receipts_are_added_up_over_looks(ingest: Running) -> None:
    await shopped(ingest, 3)
    watch = watching(ingest)
    async with ingest.database.transaction() as tx:
        for partition in range(4):
            await watch._look(tx, partition)
    await shopped(ingest, 3, terminal_id="T4")
    assert len(await looked(ingest)) == 1


async def test_what_waits_to_be_put_aside_is_decided_once(ingest: Running) -> None:
    await shopped(ingest, 6)
    await watching(ingest).run()
    batch = [receipt(number, identifiers=[CARD], terminal_id="T9") for number in range(1, 7)]
    await ingest.results("/v1/receipts", {"receipts": batch}, ingest.keys.store)
    # Numbered by a leader that is away: the decision is, and is not executed.
    await ingest.database.execute(
        "INSERT INTO numbered (topic, partition, seq, event_id, prev_event_id, key) SELECT topic, 3, 1000 + arrival,"
        " event_id, event_id, key FROM unnumbered WHERE topic = 'retail.receipts.v1'"
    )
    await watching(ingest).run()
    assert await ingest.count("decisions") == 1


async def test_what_a_reviewer_released_is_not_put_aside_again(ingest: Running) -> None:
    await shopped(ingest, 6)
    assert await looked(ingest)
    card = await resolved(ingest, CARD)
    await decided(ingest, f"/v1/identities/{card['subject_id']}:release", {"reason": "a restaurant"})
    await shopped(ingest, 6, terminal_id="T9")
    assert await looked(ingest) == []


async def test_training_and_web_orders_are_not_counted(ingest: Running) -> None:
    await shopped(ingest, 9, training=True)
    batch = [receipt(number, identifiers=[CARD], terminal_id="T8") for number in range(1, 10)]
    await ingest.results("/v1/receipts", {"receipts": batch})
    await ingest.number()
    assert await looked(ingest) == []


async def test_the_limits_that_are_set_find_a_cashiers_card_and_spare_the_busiest_household(ingest: Running) -> None:
    policy = ingest.app.state.ingest.settings.identity_policy
    assert policy.watches
    await shopped(ingest, 10)
    assert await looked(ingest, policy) == []
    await shopped(ingest, 31, OTHER_CARD, terminal_id="T4")
    assert [reason for _, reason in await looked(ingest, policy)] == ["too_many_receipts"]
    whys = await ingest.get(f"/v1/identities/{(await resolved(ingest, OTHER_CARD))['subject_id']}/why")
    (decision,) = whys.json()["decisions"]
    assert (decision["decision"], decision["actor"], decision["outcome"]) == ("quarantined", "rule", "done")
