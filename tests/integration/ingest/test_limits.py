"""Every limit of what ingest takes, and what it answers past it; docs/ingest.md lists the same."""

import asyncio
import gzip
import json
import resource
from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

import orjson
import pytest

from shared.http.middleware import BodyLimit
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.loopback import served

pytestmark = pytest.mark.postgres

LINE = receipt()["lines"][0]
TOMORROW = (date.today() + timedelta(days=4)).isoformat()  # noqa: DTZ011


def lines(**changes: Any) -> dict[str, Any]:
    return {"lines": [{**LINE, **changes}]}


def many(count: int) -> list[dict[str, Any]]:
    return [{**LINE, "line_number": number} for number in range(1, count + 1)]


ONE_COUPON = {"kind": "coupon", "amount_minor": 0}
TENDER = {"kind": "cash", "amount_minor": 1}

TAKEN: Mapping[str, Mapping[str, Any]] = {
    "a store of 128 characters": {"store_id": "S" * 128},
    "numbers as ids": {"store_id": 12, "terminal_id": 3, "staff_id": 4711},
    "the highest number": {"sequence_number": 2_147_483_647},
    "the highest amount": lines(amount_minor=10**15, unit_price_minor=10**15),
    "the longest quantity": lines(quantity="999999999999.999999"),
    "2,000 lines": {"lines": many(2000)},
    "50 tenders": {"tenders": [TENDER] * 50},
    "the year 1990": {"business_date": "1990-01-01", "occurred_at": "1990-01-01T09:00:00Z"},
    "fields nobody knows": {"weather": {"sun": [1, 2, {"deep": True}]}},
    "letters beyond ASCII": {"staff_id": "李雷 🍵"},
}
REFUSED: Mapping[str, tuple[Mapping[str, Any], str, str]] = {
    "a store of 129 characters": ({"store_id": "S" * 129}, "invalid_field", "/store_id"),
    "no store": ({"store_id": ""}, "invalid_field", "/store_id"),
    "a list as a store": ({"store_id": ["S01"]}, "invalid_field", "/store_id"),
    "a truth as a till": ({"terminal_id": True}, "invalid_field", "/terminal_id"),
    "a number below zero": ({"sequence_number": -1}, "invalid_field", "/sequence_number"),
    "a number too high": ({"sequence_number": 2**31}, "invalid_field", "/sequence_number"),
    "a number past any": ({"sequence_number": 10**30}, "invalid_field", "/sequence_number"),
    "a fraction of a cent": (lines(amount_minor=9.5), "invalid_field", "/lines/0/amount_minor"),
    "an amount below zero": (lines(amount_minor=-1), "invalid_field", "/lines/0/amount_minor"),
    "an amount too high": (lines(amount_minor=10**15 + 1), "invalid_field", "/lines/0/amount_minor"),
    "an amount as text": (lines(amount_minor="900"), "invalid_field", "/lines/0/amount_minor"),
    "a quantity below zero": (lines(quantity="-1"), "invalid_field", "/lines/0/quantity"),
    "a quantity too fine": (lines(quantity="0.1234567"), "invalid_field", "/lines/0/quantity"),
    "a quantity of nothing known": (lines(quantity="1e3"), "invalid_field", "/lines/0/quantity"),
    "a unit of many words": (lines(unit="a pinch of"), "invalid_field", "/lines/0/unit"),
    "2,001 lines": ({"lines": many(2001)}, "invalid_field", "/lines"),
    "51 tenders": ({"tenders": [TENDER] * 51}, "invalid_field", "/tenders"),
    "51 discounts of a line": (lines(discounts=[ONE_COUPON] * 51), "invalid_field", "/lines/0/discounts"),
    "51 discounts": ({"discounts": [ONE_COUPON] * 51}, "invalid_field", "/discounts"),
    "51 coupons": ({"coupons": ["C"] * 51}, "invalid_field", "/coupons"),
    "21 identifiers": (
        {"identifiers": [{"namespace": "loyalty_card", "value": str(n)} for n in range(21)]},
        "invalid_field",
        "/identifiers",
    ),
    "1970": ({"occurred_at": "1970-01-01T00:00:00Z"}, "time_out_of_range", "/occurred_at"),
    "2300": ({"occurred_at": "2300-01-01T00:00:00Z"}, "time_out_of_range", "/occurred_at"),
    "the year 10000": ({"occurred_at": "10000-01-01T00:00:00Z"}, "invalid_field", "/occurred_at"),
    "a time without offset": ({"occurred_at": "2026-03-01T09:00:00"}, "invalid_field", "/occurred_at"),
    "a business day of 1970": ({"business_date": "1970-01-01"}, "time_out_of_range", "/business_date"),
    "a business day to come": ({"business_date": TOMORROW}, "time_out_of_range", "/business_date"),
    "a day that never was": ({"business_date": "2026-02-30"}, "invalid_field", "/business_date"),
    "NUL": ({"staff_id": "a\0b"}, "invalid_text", ""),
    "NUL in a name": ({"a\0b": 1}, "invalid_text", ""),
    "900 kB": ({"note": "x" * 900_000}, "too_large", "/note"),
}


@pytest.mark.parametrize("case", TAKEN)
async def test_what_is_just_within_the_limits_is_taken(ingest: Running, case: str) -> None:
    (found,) = await ingest.results("/v1/receipts", receipt(**TAKEN[case]))
    assert found["status"] == "accepted", found


@pytest.mark.parametrize("case", REFUSED)
async def test_what_is_past_a_limit_is_refused_by_field_and_its_neighbour_is_taken(
    ingest: Running, case: str
) -> None:
    changes, code, field = REFUSED[case]
    found, good = await ingest.results("/v1/receipts", {"receipts": [receipt(1, **changes), receipt(2)]})
    assert (found["status"], found["code"], found["field"] or "") == ("refused", code, field)
    assert found["message"]
    assert good["status"] == "accepted"


@pytest.mark.parametrize("name", ["staff_id", "reason", "weather"])
async def test_half_a_surrogate_pair_costs_its_own_receipt_alone(ingest: Running, name: str) -> None:
    body = json.dumps({"receipts": [receipt(1, **{name: "\ud83c"}), receipt(2)]})
    found, good = (await post(ingest, body.encode())).json()["results"]
    assert (found["status"], found["code"]) == ("refused", "invalid_text")
    assert good["status"] == "accepted"


async def test_of_a_name_said_twice_the_last_one_holds(ingest: Running) -> None:
    body = orjson.dumps(receipt())[:-1] + b',"staff_id":"first","staff_id":"last"}'
    assert (await post(ingest, body)).json()["results"][0]["status"] == "accepted"
    (envelope,) = await ingest.envelopes()
    assert envelope.data.staff_id == "last"


async def post(ingest: Running, body: bytes, **headers: str) -> Any:
    key = {"Authorization": f"Bearer {ingest.keys.admin}"}
    return await ingest.client.post("/v1/receipts", content=body, headers=key | headers)


BODIES: Mapping[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, "malformed_json"),
    "not UTF-8": (b'{"store_id": "\xff"}', 400, "malformed_json"),
    "NaN": (b'{"receipts": [NaN]}', 400, "malformed_json"),
    "nested 100,000 deep": (b"[" * 100_000 + b"]" * 100_000, 400, "malformed_json"),
    "a number of 100,000 digits": (b'{"receipts": [' + b"9" * 100_000 + b"]}", 400, "malformed_json"),
    "none at all": (b'{"receipts": []}', 422, "invalid_input"),
    "501": (orjson.dumps({"receipts": [{}] * 501}), 422, "invalid_input"),
    "no list": (b'{"receipts": 7}', 422, "invalid_input"),
    "32 MB": (b" " * 32_000_001, 413, "body_too_large"),
    "32 MB inflated": (gzip.compress(b" " * 32_000_001), 413, "body_too_large"),
    "cut gzip": (gzip.compress(orjson.dumps(receipt()))[:-4], 400, "malformed_json"),
    "two gzip streams": (gzip.compress(b"{}") * 2, 400, "malformed_json"),
    "something behind gzip": (gzip.compress(b"{}") + b"more", 400, "malformed_json"),
}


@pytest.mark.parametrize("case", BODIES)
async def test_a_body_that_cannot_be_taken_is_refused_as_a_whole(ingest: Running, case: str) -> None:
    body, status, code = BODIES[case]
    answer = await post(ingest, body)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text[:300]
    assert answer.json()["message"]
    assert await ingest.count("events") == 0


async def test_a_gzip_bomb_costs_no_more_memory_than_a_body_may_have(ingest: Running) -> None:
    bomb = gzip.compress(bytes(1 << 30), compresslevel=9)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(3):
        answer = await post(ingest, bomb)
        assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
    grown_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    assert grown_mb < 200


@pytest.mark.parametrize(
    ("properties", "status"),
    [
        ({str(n): n for n in range(200)}, "accepted"),
        ({str(n): n for n in range(201)}, "refused"),
        ({"a": {"b": {"c": {"d": {"e": 1}}}}}, "accepted"),
        ({"a": {"b": {"c": {"d": {"e": {"f": {"g": {"h": 1}}}}}}}}, "refused"),
        ({"n": 1e308, "m": -1e308, "k": 2**62}, "accepted"),
    ],
)
async def test_properties_are_so_many_and_so_deep(ingest: Running, properties: object, status: str) -> None:
    message = {"type": "track", "messageId": "m", "userId": "u", "event": "Game Won", "properties": properties}
    good = {"type": "track", "messageId": "g", "userId": "u", "event": "Game Won"}
    found, beside = (await ingest.send("/v1/batch", {"batch": [message, good]})).json()["results"]
    assert (found["status"], beside["status"]) == (status, "accepted")
    assert status == "accepted" or found["field"].startswith("/properties"), found


async def test_a_body_that_trickles_is_answered_and_its_connection_closed(ingest: Running) -> None:
    async with served(BodyLimit(ingest.app, 32_000_000, idle_seconds=0.2)) as address:
        host, _, port = address.removeprefix("http://").partition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        head = f"POST /v1/receipts HTTP/1.1\r\nHost: till\r\nAuthorization: Bearer {ingest.keys.admin}\r\n"
        writer.write(f'{head}Content-Length: 1000\r\n\r\n{{"store_id": '.encode())
        await writer.drain()
        async with asyncio.timeout(10):
            answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    head_of_answer, _, body = answer.partition(b"\r\n\r\n")
    assert b" 408 " in head_of_answer.splitlines()[0]
    assert json.loads(body)["code"] == "request_timeout"
