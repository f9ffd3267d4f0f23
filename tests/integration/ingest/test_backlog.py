"""A till that was offline for days: its receipts are taken at once and numbered behind what happens now."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.handlers.accepting import grouping
from services.ingest.handlers.accepting.grouping import ALONE_FROM_ITEMS
from shared.keys import digest, new_key
from shared.log import BACKLOG, LIVE
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres


def sold(number: int, ago: timedelta, **changes: Any) -> dict[str, Any]:
    at = datetime.now(UTC) - ago
    return receipt(number, occurred_at=at.isoformat(), business_date=at.date().isoformat(), **changes)


async def lanes(ingest: Running) -> list[int]:
    rows = await ingest.database.fetch("SELECT lane FROM unnumbered ORDER BY arrival")
    return [row["lane"] for row in rows]


async def test_what_happened_hours_ago_takes_the_other_lane(ingest: Running) -> None:
    ages = (timedelta(seconds=2), timedelta(hours=3), timedelta(hours=5), timedelta(days=3))
    sent = [sold(number, ago) for number, ago in enumerate(ages, 1)]
    results = await ingest.results("/v1/receipts", {"receipts": sent})
    assert {one["status"] for one in results} == {"accepted"}
    assert await lanes(ingest) == [LIVE, LIVE, BACKLOG, BACKLOG]


async def test_what_comes_from_a_file_takes_the_other_lane_however_new(ingest: Running) -> None:
    key = new_key()
    await ingest.database.execute("INSERT INTO sources (source_id, kind) VALUES ('erp', 'import')")
    await ingest.database.execute("INSERT INTO source_keys (source_id, key_digest) VALUES ('erp', $1)", digest(key))
    ingest.app.state.ingest.sources.forget()
    message = {"type": "track", "messageId": "m", "userId": "u", "event": "Game Won"}
    await ingest.send("/v1/batch", {"batch": [message]}, key)
    assert await lanes(ingest) == [BACKLOG]


async def test_a_return_in_the_live_lane_finds_its_sale_in_the_other(ingest: Running) -> None:
    sale = sold(1, timedelta(days=2))
    await ingest.results("/v1/receipts", sale)
    key = {name: sale[name] for name in ("store_id", "terminal_id", "business_date", "sequence_number")}
    await ingest.results("/v1/receipts", sold(7, timedelta(0), kind="return", identifiers=[], returns_of=key))
    await ingest.number()
    numbered = await ingest.database.fetch(
        "SELECT e.type, e.key FROM numbered n JOIN events e USING (event_id)"
        " WHERE e.type = 'ReceiptRecorded' ORDER BY n.seq"
    )
    assert len({row["key"] for row in numbered}) == 1


async def test_large_uploads_of_long_ago_leave_room_for_live_requests(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grouping, "BACKLOG_WAIT_SECONDS", 0.01)
    old = {"receipts": [sold(number, timedelta(days=2)) for number in range(1, ALONE_FROM_ITEMS + 1)]}
    acceptor = ingest.app.state.ingest.acceptor.inner
    async with acceptor._backlogs, acceptor._backlogs:
        refused = await ingest.post("/v1/receipts", old)
        assert (refused.status_code, refused.json()["code"]) == (503, "unavailable")
        assert int(refused.headers["retry-after"]) > 0
        new = {"receipts": [sold(number, timedelta(0)) for number in range(1, ALONE_FROM_ITEMS + 1)]}
        assert {one["status"] for one in await ingest.results("/v1/receipts", new)} == {"accepted"}
    assert {one["status"] for one in await ingest.results("/v1/receipts", old)} == {"accepted"}


async def test_links_are_made_whichever_lane_brings_them(ingest: Running) -> None:
    phone = {"namespace": "phone", "value": "13912345678"}
    card = {"namespace": "loyalty_card", "value": "6001234567"}
    await ingest.results("/v1/receipts", sold(1, timedelta(days=2), identifiers=[card, phone]))
    await ingest.results("/v1/receipts", sold(2, timedelta(0), identifiers=[phone]))
    await ingest.number()
    customers = await ingest.database.fetch("SELECT DISTINCT customer_id FROM assignments")
    assert len(customers) == 1
