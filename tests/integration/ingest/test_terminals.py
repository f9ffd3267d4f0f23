"""Terminals by day: which of their numbers have not come."""

from typing import Any

import pytest

from services.ingest.store.terminals import Wanted, terminals_page
from shared.keys import issue_key, write_keys
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

DAY = "2026-03-01"


async def ring_up(ingest: Running, *numbers: int, **changes: Any) -> None:
    sent = {"receipts": [receipt(number, **changes) for number in numbers]}
    results = await ingest.results("/v1/receipts", sent)
    assert {one["status"] for one in results} <= {"accepted", "repeat"}, results


async def gaps(ingest: Running, day: str = DAY, store: str = "S01", terminal: str = "T3") -> dict[str, Any]:
    answer = await ingest.get(f"/v1/terminals/{store}/{terminal}/gaps", business_date=day)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def test_numbers_that_have_not_come_are_named_until_they_come(ingest: Running) -> None:
    await ring_up(ingest, 1045, 1046, 1049, 1052)
    (run,) = (await gaps(ingest))["runs"]
    assert (run["first_number"], run["last_number"], run["received"], run["missing"]) == (1045, 1052, 4, 4)
    assert run["gaps"] == [{"first": 1047, "last": 1048}, {"first": 1050, "last": 1051}]
    await ring_up(ingest, 1048, 1047, 1050)
    (run,) = (await gaps(ingest))["runs"]
    assert run["gaps"] == [{"first": 1051, "last": 1051}]
    await ring_up(ingest, 1051, 1045)
    (run,) = (await gaps(ingest))["runs"]
    assert (run["gaps"], run["received"], run["is_complete"]) == ([], 8, True)


@pytest.mark.parametrize(
    "changes",
    [{"training": True}, {"status": "suspended"}, {"status": "cancelled", "lines": []}, {"employee": True}],
)
async def test_what_never_counts_uses_up_its_number_all_the_same(ingest: Running, changes: dict[str, Any]) -> None:
    await ring_up(ingest, 1, 3)
    await ring_up(ingest, 2, **changes)
    assert (await gaps(ingest))["runs"][0]["missing"] == 0


async def test_a_void_uses_up_its_number(ingest: Running) -> None:
    await ring_up(ingest, 1, 3)
    of = {"store_id": "S01", "terminal_id": "T3", "business_date": DAY, "sequence_number": 1}
    await ring_up(ingest, 2, kind="void", lines=[], returns_of=of)
    assert (await gaps(ingest))["runs"][0]["missing"] == 0


async def test_a_refused_receipt_is_missing_until_it_is_corrected(ingest: Running) -> None:
    await ring_up(ingest, 1, 3)
    await ingest.results("/v1/receipts", receipt(2, kind="gift"))
    assert (await gaps(ingest))["runs"][0]["missing"] == 1


async def test_each_run_of_a_till_that_started_again_has_its_own_gaps(ingest: Running) -> None:
    await ring_up(ingest, 900, 902)
    await ring_up(ingest, 1, 3, occurred_at="2026-03-01T18:00:00+08:00")
    runs = (await gaps(ingest))["runs"]
    assert [(run["sequence_epoch"], run["gaps"]) for run in runs] == [
        (0, [{"first": 901, "last": 901}]),
        (1, [{"first": 2, "last": 2}]),
    ]


async def test_a_till_that_counts_on_lacks_what_lies_between_two_days(ingest: Running) -> None:
    await ring_up(ingest, 100, 101)
    later = {"business_date": "2026-03-02", "occurred_at": "2026-03-02T10:00:00+08:00"}
    await ring_up(ingest, 104, **later)
    assert (await gaps(ingest, "2026-03-02"))["since_day_before"] == {"first": 102, "last": 103}
    assert (await gaps(ingest))["since_day_before"] is None
    await ring_up(ingest, 1, **{**later, "business_date": "2026-03-03"})
    assert (await gaps(ingest, "2026-03-03"))["since_day_before"] is None


async def test_terminals_are_listed_by_day_page_by_page_and_those_with_gaps_alone(ingest: Running) -> None:
    for terminal, numbers in (("T1", (1, 2)), ("T2", (1, 3)), ("T4", (5, 9))):
        await ring_up(ingest, *numbers, terminal_id=terminal)
    await ring_up(ingest, 1, 3, store_id="S02")
    listed = (await ingest.get("/v1/terminals", business_date=DAY)).json()["items"]
    shown = [(one["store_id"], one["terminal_id"], one["received"], one["missing"]) for one in listed]
    assert shown == [("S01", "T1", 2, 0), ("S01", "T2", 2, 1), ("S01", "T4", 2, 3), ("S02", "T3", 2, 1)]
    filters = {"business_date": DAY, "with_gaps": True, "limit": 2}
    first = (await ingest.get("/v1/terminals", **filters)).json()
    second = (await ingest.get("/v1/terminals", **filters, cursor=first["next_cursor"])).json()
    lacking = [(one["store_id"], one["terminal_id"]) for one in (*first["items"], *second["items"])]
    assert lacking == [("S01", "T2"), ("S01", "T4"), ("S02", "T3")]
    only = (await ingest.get("/v1/terminals", business_date=DAY, store_id="S02")).json()["items"]
    assert [one["store_id"] for one in only] == ["S02"]


async def test_a_key_for_one_store_sees_its_own_terminals_alone(ingest: Running) -> None:
    await ring_up(ingest, 1)
    await ring_up(ingest, 1, store_id="S02")
    key, entry = issue_key("administrator", "an area's analyst", store_ids=["S01"])
    write_keys(ingest.settings.keys_file, [entry])
    headers = {"Authorization": f"Bearer {key}"}
    listed = await ingest.client.get("/v1/terminals", params={"business_date": DAY}, headers=headers)
    assert [one["store_id"] for one in listed.json()["items"]] == ["S01"]
    for path in ("/v1/terminals?store_id=S02&", "/v1/terminals/S02/T3/gaps?"):
        answer = await ingest.client.get(f"{path}business_date={DAY}", headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (403, "store_not_allowed")


async def test_a_terminal_that_sent_nothing_is_not_found(ingest: Running) -> None:
    answer = await ingest.get("/v1/terminals/S01/T99/gaps", business_date=DAY)
    assert (answer.status_code, answer.json()["code"]) == (404, "terminal_not_found")


async def test_a_chain_of_a_thousand_stores_is_listed_from_one_days_index(ingest: Running) -> None:
    await ingest.database.execute(
        "INSERT INTO terminal_epochs (store_id, terminal_id, business_date, epoch, opened_at, last_sequence, last_at,"
        " received) SELECT 'S' || store, 'T' || till, day::date, 0, day, 300, day, '{[1,150),[151,301)}'"
        " FROM generate_series(1, 1000) store, generate_series(1, 4) till,"
        " generate_series(timestamptz '2026-03-01', '2026-03-03', '1 day') day"
    )
    await ingest.database.execute("ANALYZE terminal_epochs")
    plan = await ingest.database.fetch(
        "EXPLAIN SELECT * FROM terminal_epochs WHERE business_date = '2026-03-02' AND store_id = 'S500'"
    )
    assert "terminal_epochs_by_day" in str([row[0] for row in plan])
    some_day = await ingest.database.fetchval("SELECT max(business_date) FROM terminal_epochs")
    found = await terminals_page(ingest.database, Wanted(some_day, None, with_gaps=True), None, 200)
    assert len(found) == 200
    assert {one.missing for one in found} == {1}
