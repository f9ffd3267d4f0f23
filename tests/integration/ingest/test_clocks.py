"""Tills with wrong clocks: found out, listed, and corrected in everything that comes after."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.ingest.domain.clocks import EXCHANGES_MIN
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

BEHIND = timedelta(minutes=42)


def now() -> datetime:
    return datetime.now(UTC)


def sold(number: int, at: datetime, **changes: Any) -> dict[str, Any]:
    """A receipt at a time of the till's own clock."""
    return receipt(number, occurred_at=at.isoformat(), business_date=at.date().isoformat(), **changes)


async def exchange(ingest: Running, skew: timedelta = BEHIND, times: int = EXCHANGES_MIN, **changes: Any) -> None:
    for number in range(2, times + 2):
        (found,) = await ingest.results("/v1/receipts", sold(number, now() - skew, **changes))
        assert found["status"] == "accepted", found
    await ingest.app.state.ingest.clocks.keep()


async def clocks(ingest: Running, **filters: Any) -> list[dict[str, Any]]:
    answer = await ingest.get("/v1/terminals/clocks", **filters)
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["items"]
    return found


async def test_a_clock_that_is_behind_is_found_out_and_corrected_from_then_on(ingest: Running) -> None:
    await exchange(ingest)
    (clock,) = await clocks(ingest)
    assert (clock["skew_minutes"], clock["is_settled"], clock["is_implausible"]) == (42, True, True)
    at = now() - BEHIND
    await ingest.results("/v1/receipts", sold(50, at))
    last = max(await ingest.envelopes(), key=lambda one: one.data.sequence_number)
    assert last.occurred_at == at + BEHIND
    assert last.received_at >= last.occurred_at - timedelta(seconds=1)
    assert (last.data.device_at, last.data.clock_skew_minutes) == (at, 42)
    assert last.data.business_date == at.date()


async def test_a_void_is_corrected_like_a_sale(ingest: Running) -> None:
    await exchange(ingest)
    at = now() - BEHIND
    of = {"store_id": "S01", "terminal_id": "T3", "business_date": at.date().isoformat(), "sequence_number": 2}
    await ingest.results("/v1/receipts", sold(51, at, kind="void", lines=[], returns_of=of))
    (void,) = [one for one in await ingest.envelopes() if one.type == "ReceiptVoided"]
    assert (void.occurred_at, void.data.device_at) == (at + BEHIND, at)


async def test_sent_again_after_its_clock_was_found_out_a_receipt_is_a_repeat(ingest: Running) -> None:
    first = sold(1, now() - BEHIND)
    await ingest.results("/v1/receipts", first)
    await exchange(ingest)
    assert ingest.app.state.ingest.clocks.corrections
    (again,) = await ingest.results("/v1/receipts", first)
    assert again["status"] == "repeat"


async def test_a_backlog_tells_nothing_of_the_clock_unless_it_says_when_it_was_sent(ingest: Running) -> None:
    day = [sold(number, now() - timedelta(days=2, minutes=number)) for number in range(1, 31)]
    for _ in range(EXCHANGES_MIN):
        await ingest.results("/v1/receipts", {"receipts": day})
    await ingest.app.state.ingest.clocks.keep()
    assert await clocks(ingest) == []
    for _ in range(EXCHANGES_MIN):
        sent = {"receipts": day, "sent_at": (now() + timedelta(minutes=7)).isoformat()}
        assert {one["status"] for one in await ingest.results("/v1/receipts", sent)} == {"repeat"}
    await ingest.app.state.ingest.clocks.keep()
    assert [clock["skew_minutes"] for clock in await clocks(ingest)] == [-7]


async def test_a_clock_past_belief_is_listed_and_not_corrected(ingest: Running) -> None:
    for number in range(1, EXCHANGES_MIN + 1):
        at = now() - timedelta(days=365)
        sent_at = at.isoformat()
        await ingest.results("/v1/receipts", sold(number, at, sent_at=sent_at))
    await ingest.app.state.ingest.clocks.keep()
    (clock,) = await clocks(ingest, implausible=True)
    assert clock["skew_minutes"] == 365 * 24 * 60
    assert ingest.app.state.ingest.clocks.corrections == {}


@pytest.mark.parametrize("year", [1, 1900, 2300, 9999])
async def test_a_till_in_another_century_stops_nothing(ingest: Running, year: int) -> None:
    sent_at = f"{year:04}-06-01T00:00:00Z"
    for number in range(1, EXCHANGES_MIN + 1):
        (found,) = await ingest.results("/v1/receipts", sold(number, now(), sent_at=sent_at))
        assert found["status"] == "accepted"
    await ingest.app.state.ingest.clocks.keep()
    assert [clock["is_implausible"] for clock in await clocks(ingest)] == [True]
    (found,) = await ingest.results("/v1/receipts", sold(99, now()))
    assert found["status"] == "accepted"


async def test_what_several_processes_saw_of_a_clock_is_put_together(ingest: Running) -> None:
    await exchange(ingest, times=EXCHANGES_MIN - 1)
    assert [clock["exchanges"] for clock in await clocks(ingest)] == [EXCHANGES_MIN - 1]
    await ingest.results("/v1/receipts", sold(60, now() - BEHIND))
    await ingest.app.state.ingest.clocks.keep()
    assert [clock["skew_minutes"] for clock in await clocks(ingest)] == [42]


async def test_right_clocks_are_right_and_only_wrong_ones_are_listed_as_such(ingest: Running) -> None:
    await exchange(ingest, timedelta(seconds=2), terminal_id="T1")
    await exchange(ingest, terminal_id="T2")
    assert [clock["terminal_id"] for clock in await clocks(ingest)] == ["T1", "T2"]
    assert [clock["terminal_id"] for clock in await clocks(ingest, implausible=True)] == ["T2"]
    assert ingest.app.state.ingest.clocks.corrections == {("S01", "T2"): 42}


@pytest.mark.parametrize("sent_at", ["yesterday", [7], "2026-03-01T09:00:00"])
async def test_a_time_of_sending_that_is_none_is_refused_by_field(ingest: Running, sent_at: object) -> None:
    (found,) = await ingest.results("/v1/receipts", receipt(sent_at=sent_at))
    assert (found["status"], found["field"]) == ("refused", "/sent_at")
