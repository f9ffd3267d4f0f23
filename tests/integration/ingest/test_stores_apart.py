"""A key for some stores sees and touches nothing of others: files, refusals, events."""

from typing import Any

import httpx
import pytest

from shared.keys import issue_key, read_keys, write_keys
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.importing import upload, work_of
from tests.integration.ingest.test_clients import track

pytestmark = pytest.mark.postgres

LINES = b"customer_id,basket_id,timestamp,product_id,store_id\nc1,b1,2026-03-01,P1,S01\nc1,b2,2026-03-01,P1,S02\n"


def key_for(ingest: Running, store_id: str, role: str = "analyst") -> str:
    key, entry = issue_key(role, f"{role} of {store_id}", store_ids=[store_id])
    path = ingest.settings.keys_file
    write_keys(path, [*read_keys(path), entry])
    return key


async def asked(ingest: Running, method: str, path: str, key: str, body: Any = None) -> httpx.Response:
    return await ingest.client.request(method, path, json=body, headers={"Authorization": f"Bearer {key}"})


async def test_an_import_is_seen_and_steered_by_its_own_store_and_the_chain_alone(ingest: Running) -> None:
    made = await upload(ingest, LINES, ingest.keys.store, kind="receipt_lines", name="lines.csv", preview="true")
    path = f"/v1/imports/{made.json()['import_id']}"
    for method, at in (("GET", path), ("GET", f"{path}/report"), ("GET", "/v1/imports")):
        assert (await asked(ingest, method, at, key_for(ingest, "S01"))).status_code == 200
    for method, at in (("GET", path), ("GET", f"{path}/report")):
        answer = await asked(ingest, method, at, key_for(ingest, "S02"))
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found")
    till = key_for(ingest, "S02", "store")
    for method, at in (("POST", f"{path}:preview"), ("POST", f"{path}:start"), ("DELETE", path)):
        answer = await asked(ingest, method, at, till, {} if method == "POST" else None)
        assert (answer.status_code, answer.json()["code"]) == (404, "import_not_found"), at
    assert (await ingest.get(path)).json()["state"] == "waiting"


async def test_a_list_of_imports_shows_a_store_its_own(ingest: Running) -> None:
    await upload(ingest, b"product_id,name\nP1,Tea\n", kind="products", name="of-all.csv")
    await upload(ingest, LINES, ingest.keys.store, kind="receipt_lines", name="of-S01.csv")
    for key, names in ((ingest.keys.admin, {"of-all.csv", "of-S01.csv"}), (key_for(ingest, "S01"), {"of-S01.csv"})):
        listed = await asked(ingest, "GET", "/v1/imports", key)
        assert {one["name"] for one in listed.json()["items"]} == names
    assert (await asked(ingest, "GET", "/v1/imports", key_for(ingest, "S02"))).json()["items"] == []


async def test_a_file_that_a_store_sent_first_is_no_repeat_where_the_chain_sends_it(ingest: Running) -> None:
    """What the store might not say was refused then."""
    await upload(ingest, LINES, ingest.keys.store, kind="receipt_lines", name="lines.csv")
    await work_of(ingest).run()
    assert await ingest.count("events WHERE type = 'ReceiptRecorded'") == 1
    again = await upload(ingest, LINES, kind="receipt_lines", name="lines.csv")
    assert (again.status_code, again.json()["is_repeat"]) == (201, False)
    await work_of(ingest).run()
    assert await ingest.count("events WHERE type = 'ReceiptRecorded'") == 2


async def test_a_refusal_is_seen_and_opened_by_its_own_store_and_the_chain_alone(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(1, currency="XYZ"), ingest.keys.store)
    await ingest.results("/v1/receipts", receipt(2, currency="XYZ"))
    listed = (await ingest.get("/v1/refusals")).json()["items"]
    of_chain, of_store = (one["refusal_id"] for one in listed)
    mine = key_for(ingest, "S01", "administrator")
    seen = await asked(ingest, "GET", "/v1/refusals", mine)
    assert [one["refusal_id"] for one in seen.json()["items"]] == [of_store]
    assert (await asked(ingest, "GET", "/v1/refusals", key_for(ingest, "S02"))).json()["items"] == []
    for refusal_id, status in ((of_store, 200), (of_chain, 404)):
        opened = await asked(ingest, "POST", f"/v1/refusals/{refusal_id}:open", mine, {"purpose": "a question"})
        shown = await asked(ingest, "GET", f"/v1/refusals/{refusal_id}", mine)
        assert (opened.status_code, shown.status_code) == (status, status)


async def test_an_event_is_found_by_its_own_store_its_sender_and_the_chain_alone(ingest: Running) -> None:
    (sold,) = await ingest.results("/v1/receipts", receipt(1), ingest.keys.store)
    (wrong,) = await ingest.results("/v1/receipts", receipt(2, currency="XYZ"), ingest.keys.store)
    await ingest.send("/v1/track", track(messageId="m-1"))
    for message_id, of_store, of_other in ((sold, 200, 404), (wrong, 200, 404), ({"message_id": "m-1"}, 404, 404)):
        path = f"/v1/events/{message_id['message_id']}"
        assert (await asked(ingest, "GET", path, ingest.keys.admin)).status_code == 200
        assert (await asked(ingest, "GET", path, key_for(ingest, "S01"))).status_code == of_store
        assert (await asked(ingest, "GET", path, key_for(ingest, "S02"))).status_code == of_other


async def test_a_store_finds_what_it_sent_of_no_store(ingest: Running) -> None:
    key = key_for(ingest, "S01", "administrator")
    person = {"message_id": "p-1", "identifiers": [{"namespace": "loyalty_card", "value": "6001000001"}]}
    await ingest.results("/v1/customers", person, key)
    assert (await asked(ingest, "GET", "/v1/events/p-1", key)).status_code == 200
    assert (await asked(ingest, "GET", "/v1/events/p-1", key_for(ingest, "S01"))).status_code == 404
