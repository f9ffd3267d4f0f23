"""POSLog through the door: by the receipts' route and as a file, the same facts, once."""

from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.importing import imported, report_of

pytestmark = pytest.mark.postgres

SAMPLE = (Path(__file__).parents[2] / "unit" / "ingest" / "samples" / "poslog-2.2.xml").read_bytes()


async def post(ingest: Running, body: bytes, kind: str = "application/xml; charset=utf-8") -> httpx.Response:
    headers = {"Authorization": f"Bearer {ingest.keys.admin}", "Content-Type": kind}
    return await ingest.client.post("/v1/receipts", content=body, headers=headers)


async def test_a_poslog_is_recorded_by_the_receipts_route_and_once(ingest: Running) -> None:
    first = (await post(ingest, SAMPLE)).json()["results"]
    assert [one["status"] for one in first] == ["accepted"] * 6 + ["refused"]
    assert (first[-1]["code"], first[-1]["field"]) == ("missing_field", "/LineItem/1/ItemID")
    again = (await post(ingest, SAMPLE, "text/xml")).json()["results"]
    assert [one["status"] for one in again] == ["repeat"] * 6 + ["refused"]
    by_number: dict[int, Any] = {one.data.sequence_number: one for one in await ingest.envelopes()}
    sale, back, void = by_number[2], by_number[3], by_number[8]
    assert isinstance(sale.data, ReceiptRecordedV1)
    assert sale.data.sold_minor == 900 + 1004 - 50
    assert back.data.returns_of.receipt_id == sale.event_id
    assert back.subject_id == sale.subject_id
    assert isinstance(void.data, ReceiptVoidedV1)
    assert (void.data.voids_receipt_id, void.data.amount_minor) == (sale.event_id, 1854)
    assert by_number[5].data.training
    assert by_number[6].data.status == "suspended"


async def test_a_poslog_file_and_the_route_make_the_same_receipts(ingest: Running) -> None:
    ended = await imported(ingest, SAMPLE, kind="receipts", name="poslog.xml")
    assert ended["state"] == "done", ended
    assert (ended["progress"]["accepted"], ended["progress"]["refused"]) == (6, 1)
    (line,) = await report_of(ingest, ended["import_id"])
    assert (line["line_number"], line["code"]) == ("9", "missing_field")
    again = (await post(ingest, SAMPLE)).json()["results"]
    assert [one["status"] for one in again] == ["repeat"] * 6 + ["refused"]


async def test_an_unsafe_or_broken_poslog_is_malformed(ingest: Running) -> None:
    unsafe = b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><POSLog>&x;</POSLog>'
    for body in (unsafe, b"<POSLog>", b"", b"<POSLog/>"):
        answer = await post(ingest, body)
        assert (answer.status_code, answer.json()["code"]) == (400, "malformed_json"), answer.text
    unread = await ingest.client.post(
        "/v1/imports",
        params={"kind": "receipts", "name": "poslog.xml"},
        content=unsafe,
        headers={"Authorization": f"Bearer {ingest.keys.admin}"},
    )
    assert unread.status_code == 422
    assert "DOCTYPE" in unread.json()["message"]
    assert await ingest.count("refusals") == 0
