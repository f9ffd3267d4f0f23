"""Receipts from tills: accepted once, and everything else said and kept."""

import asyncio
from collections.abc import Callable
from typing import Any

import orjson
import pytest

from services.ingest.domain.epochs import FALL_BACK_MIN
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres
GUEST: list[dict[str, str]] = []


async def test_rule_03_a_receipt_is_stored_before_it_is_acknowledged(ingest: Running) -> None:
    answer = await ingest.post("/v1/receipts", receipt())
    assert answer.status_code == 200
    (result,) = answer.json()["results"]
    assert result["status"] == "accepted"
    (envelope,) = await ingest.envelopes()
    assert await ingest.database.fetchval("SELECT event_id FROM unnumbered") == envelope.event_id
    assert str(envelope.event_id) == result["message_id"]
    assert envelope.event_id.version == 8
    assert envelope.subject_kind == "identified"
    assert isinstance(envelope.data, ReceiptRecordedV1)
    assert envelope.data.sold_minor == 900
    assert envelope.data.coupons == ("SPRING",)
    assert envelope.data.utc_offset_minutes == 480


async def test_a_repeat_changes_nothing_and_is_acknowledged(ingest: Running) -> None:
    (first,) = await ingest.results("/v1/receipts", receipt())
    (again,) = await ingest.results("/v1/receipts", receipt())
    assert again == {**first, "status": "repeat"}
    assert await ingest.count("events") == 1


async def test_rule_02_a_repeat_waits_for_the_same_durability_as_a_first_delivery(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt())
    before = await ingest.database.fetchval("SELECT pg_current_wal_insert_lsn()")
    await ingest.results("/v1/receipts", receipt())
    written = await ingest.database.fetchval("SELECT pg_current_wal_insert_lsn() - $1::pg_lsn", before)
    assert written > 0


async def test_rule_01_a_whole_day_uploaded_again_changes_nothing(ingest: Running) -> None:
    day = {"receipts": [receipt(number) for number in range(1, 60)]}
    await ingest.results("/v1/receipts", day)
    again = await ingest.results("/v1/receipts", day)
    assert {result["status"] for result in again} == {"repeat"}
    assert await ingest.count("events") == 59
    assert await ingest.count("refusals") == 0


async def test_fields_that_say_how_it_was_sent_do_not_count(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt())
    (again,) = await ingest.results("/v1/receipts", receipt(sentAt="2026-03-01T10:00:00Z", transport="retry 2"))
    assert again["status"] == "repeat"


async def test_one_instant_in_two_offsets_is_one_content(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(occurred_at="2026-03-01T09:01:44+08:00"))
    (again,) = await ingest.results("/v1/receipts", receipt(occurred_at="2026-03-01T01:01:44Z"))
    assert again["status"] == "repeat"


@pytest.mark.parametrize(
    "change",
    [
        {"training": True},
        {"tenders": [{"kind": "card", "amount_minor": 900}]},
        {"identifiers": GUEST},
        {"occurred_at": "2026-03-01T18:00:00+08:00"},
    ],
)
async def test_the_same_key_with_other_content_is_a_recorded_conflict(
    ingest: Running, change: dict[str, Any]
) -> None:
    (first,) = await ingest.results("/v1/receipts", receipt())
    (second,) = await ingest.results("/v1/receipts", receipt(**change))
    assert second["status"] == "conflict"
    assert (second["code"], second["field"]) == ("key_reused", "/sequence_number")
    assert second["message_id"] == first["message_id"]
    assert await ingest.count("events") == 1
    (kept,) = (await ingest.get("/v1/refusals", outcome="conflict")).json()["items"]
    assert kept["event_id"] == first["message_id"]
    where = (await ingest.get(f"/v1/events/{first['message_id']}")).json()
    assert where["state"] == "stored"
    assert where["conflicts"] == 1


async def test_within_one_request_the_first_of_a_key_counts(ingest: Running) -> None:
    results = await ingest.results("/v1/receipts", {"receipts": [receipt(), receipt(), receipt(training=True)]})
    assert [result["status"] for result in results] == ["accepted", "repeat", "conflict"]


async def test_each_receipt_of_a_request_is_judged_alone(ingest: Running) -> None:
    mixed = [receipt(1), {"store_id": "S01"}, "nonsense", receipt(2, kind="gift"), receipt(3)]
    results = await ingest.results("/v1/receipts", {"receipts": mixed})
    assert [result["status"] for result in results] == ["accepted", "refused", "refused", "refused", "accepted"]
    assert [result["field"] for result in results] == [None, "/terminal_id", None, "/kind", None]
    assert await ingest.count("refusals") == 3


async def test_a_refused_receipt_sent_again_is_one_row_that_counts_up(ingest: Running) -> None:
    for _ in range(3):
        await ingest.results("/v1/receipts", receipt(kind="gift"))
    (kept,) = (await ingest.get("/v1/refusals")).json()["items"]
    assert kept["times"] == 3


async def test_a_refused_receipt_is_found_by_its_message_id_until_it_is_corrected(ingest: Running) -> None:
    (refused,) = await ingest.results("/v1/receipts", receipt(kind="gift"))
    where = (await ingest.get(f"/v1/events/{refused['message_id']}")).json()
    assert where["state"] == "refused"
    assert where["reason"]
    (corrected,) = await ingest.results("/v1/receipts", receipt())
    assert corrected["message_id"] == refused["message_id"]
    where = (await ingest.get(f"/v1/events/{refused['message_id']}")).json()
    assert where["state"] == "stored"


def day_of(receipts: int, minutes_of: Callable[[int], int]) -> list[dict[str, Any]]:
    return [
        receipt(
            number,
            occurred_at=f"2026-03-01T{9 + minutes_of(number) // 60:02}:{minutes_of(number) % 60:02}:00+08:00",
            identifiers=[{"namespace": "loyalty_card", "value": f"60{number}77"}],
        )
        for number in range(1, receipts + 1)
    ]


@pytest.mark.parametrize(
    "minutes_of",
    [lambda number: number, lambda number: number % 60],
    ids=["a day that counts up", "a terminal whose numbers jump"],
)
async def test_rule_01_overlapping_uploads_in_opposite_orders_count_each_receipt_once(
    ingest: Running, minutes_of: Callable[[int], int]
) -> None:
    day = day_of(100, minutes_of)
    uploads = [day[start : start + 60] for start in (0, 20, 40)] + [day[::-1], day]
    answers = await asyncio.gather(*(ingest.results("/v1/receipts", {"receipts": upload}) for upload in uploads))
    statuses = [result["status"] for results in answers for result in results]
    assert statuses.count("accepted") == 100
    assert set(statuses) == {"accepted", "repeat"}
    assert await ingest.count("events") == 100
    assert await ingest.count("unnumbered") == 100


async def test_a_till_that_starts_counting_again_gets_the_next_epoch(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(FALL_BACK_MIN + 5))
    afternoon = receipt(1, occurred_at="2026-03-01T15:00:00+08:00")
    (morning,) = await ingest.results("/v1/receipts", receipt(1, occurred_at="2026-03-01T08:00:00+08:00"))
    (result,) = await ingest.results("/v1/receipts", afternoon)
    assert [morning["status"], result["status"]] == ["accepted", "accepted"]
    assert morning["message_id"] != result["message_id"]
    epochs = {envelope.data.sequence_epoch for envelope in await ingest.envelopes()}
    assert epochs == {0, 1}
    (again,) = await ingest.results("/v1/receipts", afternoon)
    assert again == {**result, "status": "repeat"}


async def test_an_epoch_that_the_till_names_is_believed(ingest: Running) -> None:
    (first,) = await ingest.results("/v1/receipts", receipt(1))
    (second,) = await ingest.results("/v1/receipts", receipt(1, sequence_epoch=1, training=True))
    assert [first["status"], second["status"]] == ["accepted", "accepted"]


def returning(number: int, **changes: Any) -> dict[str, Any]:
    original = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": 1}
    return receipt(number, kind="return", returns_of={**original, "lines": []}, **changes)


async def test_a_return_names_its_original_and_takes_its_subject(ingest: Running) -> None:
    (sale,) = await ingest.results("/v1/receipts", receipt(1))
    await ingest.results("/v1/receipts", returning(2, identifiers=GUEST))
    sold, returned = await ingest.envelopes()
    assert str(returned.data.returns_of.receipt_id) == sale["message_id"]
    assert returned.subject_id == sold.subject_id
    assert returned.subject_kind == "identified"


async def test_a_return_may_come_before_its_original(ingest: Running) -> None:
    await ingest.results("/v1/receipts", returning(2, identifiers=GUEST))
    (sale,) = await ingest.results("/v1/receipts", receipt(1))
    returned, _ = await ingest.envelopes()
    assert str(returned.data.returns_of.receipt_id) == sale["message_id"]
    assert returned.subject_kind == "guest"


async def test_a_void_in_the_same_request_takes_the_subject_and_the_amount(ingest: Running) -> None:
    void = returning(2, identifiers=GUEST) | {"kind": "void", "lines": []}
    await ingest.results("/v1/receipts", {"receipts": [receipt(1), void]})
    sold, voided = await ingest.envelopes()
    assert isinstance(voided.data, ReceiptVoidedV1)
    assert voided.data.voids_receipt_id == sold.event_id
    assert voided.data.amount_minor == 900
    assert voided.subject_id == sold.subject_id


async def test_rule_16_a_guest_has_a_subject_of_its_own(ingest: Running) -> None:
    await ingest.results("/v1/receipts", {"receipts": [receipt(n, identifiers=GUEST) for n in (1, 2)]})
    one, other = await ingest.envelopes()
    assert one.subject_kind == other.subject_kind == "guest"
    assert one.subject_id != other.subject_id
    assert await ingest.count("subjects") == 0


async def test_a_placeholder_phone_does_not_cost_the_receipt(ingest: Running) -> None:
    (result,) = await ingest.results(
        "/v1/receipts", receipt(identifiers=[{"namespace": "phone", "value": "13800138000"}])
    )
    assert result["status"] == "accepted"
    assert result["code"] == "identifier_ignored"
    assert result["field"] == "/identifiers/0/value"


async def test_a_stores_key_records_for_its_own_store_only(ingest: Running) -> None:
    mixed = {"receipts": [receipt(1), receipt(2, store_id="S02")]}
    own, foreign = await ingest.results("/v1/receipts", mixed, key=ingest.keys.store)
    assert own["status"] == "accepted"
    assert foreign["code"] == "store_not_allowed"


LINE = receipt()["lines"][0]


@pytest.mark.parametrize(
    ("change", "code", "field"),
    [
        ({"lines": [{**LINE, "quantity": "two"}]}, "invalid_field", "/lines/0/quantity"),
        ({"lines": [{**LINE, "quantity": 2}]}, "invalid_field", "/lines/0/quantity"),
        ({"lines": [{**LINE, "amount_minor": 9.5}]}, "invalid_field", "/lines/0/amount_minor"),
        ({"lines": [{**LINE, "amount_minor": -1}]}, "invalid_field", "/lines/0/amount_minor"),
        ({"lines": [{**LINE, "amount_minor": "900"}]}, "invalid_field", "/lines/0/amount_minor"),
        ({"lines": [{**LINE, "amount_minor": 10**18}]}, "invalid_field", "/lines/0/amount_minor"),
        ({"lines": [LINE, LINE]}, "invalid_field", "/lines"),
        ({"lines": []}, "missing_field", "/lines"),
        ({"lines": "none"}, "invalid_field", "/lines"),
        ({"sequence_number": 2**63}, "invalid_field", "/sequence_number"),
        ({"sequence_number": -1}, "invalid_field", "/sequence_number"),
        ({"sequence_number": "1045"}, "invalid_field", "/sequence_number"),
        ({"business_date": "2026-02-30"}, "invalid_field", "/business_date"),
        ({"business_date": "1970-01-01"}, "time_out_of_range", "/business_date"),
        ({"business_date": "2300-01-01"}, "time_out_of_range", "/business_date"),
        ({"occurred_at": "1970-01-01T00:00:00Z"}, "time_out_of_range", "/occurred_at"),
        ({"occurred_at": "2300-01-01T00:00:00Z"}, "time_out_of_range", "/occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+14:00"}, "time_out_of_range", "/occurred_at"),
        ({"occurred_at": "2026-03-01T09:12:44"}, "invalid_field", "/occurred_at"),
        ({"occurred_at": "yesterday"}, "invalid_field", "/occurred_at"),
        ({"currency": "XXX"}, "invalid_field", "/currency"),
        ({"currency": "yuan"}, "invalid_field", "/currency"),
        ({"store_id": ""}, "invalid_field", "/store_id"),
        ({"store_id": "S\u0000"}, "invalid_text", None),
        ({"store_id": "x" * 129}, "invalid_field", "/store_id"),
        ({"store_id": ["S01"]}, "invalid_field", "/store_id"),
        ({"kind": "void"}, "missing_field", "/returns_of"),
        ({"identifiers": [{"namespace": "shoe", "value": "1"}]}, "invalid_identifier", "/identifiers/0/namespace"),
        ({"identifiers": [{"namespace": "phone", "value": "x"}]}, "invalid_identifier", "/identifiers/0/value"),
        ({"identifiers": [{"value": "6001"}]}, "missing_field", "/identifiers/0/namespace"),
        ({"training": "no"}, "invalid_field", "/training"),
        ({"tenders": [{"kind": "card", "amount_minor": 1, "reference": "4111111111111111"}]}, "card_number",
         "/tenders/0/reference"),
        ({"note": "x" * 1_000_000}, "too_large", "/note"),
    ],
)  # fmt: skip
async def test_each_wrong_field_is_named_and_the_good_receipt_beside_it_goes_through(
    ingest: Running, change: dict[str, Any], code: str, field: str | None
) -> None:
    wrong, good = await ingest.results("/v1/receipts", {"receipts": [receipt(1, **change), receipt(2)]})
    assert good["status"] == "accepted"
    assert (wrong["status"], wrong["code"], wrong["field"]) == ("refused", code, field)
    assert wrong["message"]
    assert await ingest.count("refusals") == 1


async def test_one_receipt_of_five_megabytes_does_not_fail_its_batch(ingest: Running) -> None:
    huge = receipt(1, note="x" * 5_000_000)
    results = await ingest.results("/v1/receipts", {"receipts": [huge, receipt(2)]})
    assert [result["code"] for result in results] == ["too_large", None]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b'{"store_id": ', 400, "malformed_json"),
        (b"", 400, "malformed_json"),
        (b"\xff\xfe", 400, "malformed_json"),
        (b'{"a": NaN}', 400, "malformed_json"),
        (b"[" * 5000, 400, "malformed_json"),
        (b'{"receipts": {}}', 422, "invalid_input"),
        (b'{"receipts": []}', 422, "invalid_input"),
        (b'"text"', 422, "invalid_input"),
        (b'{"receipts": [' + b"1," * 500 + b"1]}", 422, "invalid_input"),
        (b"x" * 33_000_000, 413, "body_too_large"),
    ],
)
async def test_a_body_that_is_no_list_of_receipts_is_answered_in_the_one_shape(
    ingest: Running, body: bytes, status: int, code: str
) -> None:
    answer = await ingest.client.post(
        "/v1/receipts", content=body, headers={"Authorization": f"Bearer {ingest.keys.admin}"}
    )
    assert answer.status_code == status, answer.text
    problem = answer.json()
    assert problem["code"] == code
    assert problem["message"]
    assert problem["request_id"]


async def test_half_a_surrogate_pair_costs_only_its_own_receipt(ingest: Running) -> None:
    body = b'{"receipts": [{"store_id": "\\ud800"}, ' + orjson.dumps(receipt(2)) + b"]}"
    answer = await ingest.client.post(
        "/v1/receipts", content=body, headers={"Authorization": f"Bearer {ingest.keys.admin}"}
    )
    assert [result["status"] for result in answer.json()["results"]] == ["refused", "accepted"]


async def test_a_key_without_the_scope_records_nothing(ingest: Running) -> None:
    answer = await ingest.client.post("/v1/receipts", json=receipt())
    assert answer.status_code == 401
    assert await ingest.count("events") == 0
