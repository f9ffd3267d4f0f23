"""Public keys stand in every page: what is forged with one changes nothing about anybody, in no service."""

from pathlib import Path
from typing import Any

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from shared.events.customers import SubjectAssignedV1
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_identities import CARD, EMAIL, PHONE, resolved
from tests.integration.ingest.test_unmerge_everywhere import CONSUMERS, consumer, derived, receipts

pytestmark = pytest.mark.postgres
USER = {"namespace": "user_id", "value": "u-victim"}
DEVICE = {"namespace": "anonymous_id", "value": "device-of-a-stranger"}
TRAITS = {"email": "chen@example.com", "phone": "13912345678", "loyalty_card": "6001234567", "city": "Nowhere"}
FORGED: list[dict[str, Any]] = [
    {"type": "identify", "messageId": "f1", "userId": "u-victim", "anonymousId": DEVICE["value"], "traits": TRAITS},
    {"type": "identify", "messageId": "f2", "userId": "u-victim", "traits": TRAITS},
    {"type": "identify", "messageId": "f3", "anonymousId": DEVICE["value"], "context": {"traits": TRAITS}},
    {"type": "alias", "messageId": "f4", "userId": "u-victim", "previousId": "u-other",
     "anonymousId": DEVICE["value"]},
    {"type": "track", "messageId": "f5", "userId": "u-victim", "anonymousId": DEVICE["value"],
     "event": "Order Completed",
     "properties": {"order_id": "forged-1", "total": 1e6, "currency": "CNY",
                    "products": [{"product_id": "P1", "price": 1e6, "quantity": 1}]}},
    {"type": "track", "messageId": "f6", "userId": "u-victim", "anonymousId": DEVICE["value"],
     "event": "Product Viewed", "properties": {"product_id": "P1", "email": "chen@example.com"}},
    {"type": "page", "messageId": "f7", "userId": "u-victim", "anonymousId": DEVICE["value"], "name": "Home"},
    {"type": "group", "messageId": "f8", "userId": "u-victim", "anonymousId": DEVICE["value"], "groupId": "g"},
]  # fmt: skip
VICTIM = (CARD, PHONE, EMAIL, USER)


async def known_victim(ingest: Running) -> list[str]:
    """Make a customer who bought; return their subjects."""
    await receipts(ingest, (1, [CARD, PHONE]))
    await ingest.results("/v1/customers", {"identifiers": [CARD, EMAIL, USER], "attributes": {"city": "Wuhan"}})
    await ingest.number()
    return [(await resolved(ingest, one))["subject_id"] for one in VICTIM]


async def forge(ingest: Running) -> None:
    answer = await ingest.send("/v1/batch", {"batch": FORGED}, ingest.keys.web_write_key)
    assert answer.status_code == 200
    await ingest.number()


async def test_a_forged_identify_links_nobody_and_is_about_its_device_alone(ingest: Running) -> None:
    subject_ids = await known_victim(ingest)
    before = await ingest.envelopes()
    whose = [await resolved(ingest, one) for one in VICTIM]
    await forge(ingest)
    forged = [one for one in await ingest.envelopes() if one.event_id not in {each.event_id for each in before}]
    assert forged
    assert not [one for one in forged if isinstance(one.data, SubjectAssignedV1)]
    assert not [one for one in forged if one.type in {"ReceiptRecorded", "ReceiptVoided"}]
    for one in forged:
        assert one.subject_kind in {"device", "guest"}
        assert not [subject_id for subject_id in subject_ids if subject_id in one.model_dump_json()]
    assert [await resolved(ingest, one) for one in VICTIM] == whose


@pytest.mark.parametrize("name", CONSUMERS)
async def test_nothing_forged_is_read_of_a_customer_anywhere(
    ingest: Running, postgres: EmbeddedPostgres, tmp_path: Path, name: str
) -> None:
    subject_ids = await known_victim(ingest)
    honest = await ingest.envelopes()
    await forge(ingest)
    forged = [one for one in await ingest.envelopes() if one.event_id not in {each.event_id for each in honest}]
    async with consumer(name, postgres, tmp_path) as (database, subscription):
        async with database.transaction() as tx:
            await subscription.dispatch(tx, honest)
        before = await derived(name, database)
        async with database.transaction() as tx:
            await subscription.dispatch(tx, forged)
        after = await derived(name, database)
    for table, rows in after.items():
        for row in set(before[table]) ^ set(rows):
            named = [subject_id for subject_id in subject_ids if subject_id in row]
            assert not named, f"{table}: {row}"


async def test_what_a_page_claimed_is_good_when_the_shop_says_the_same(ingest: Running) -> None:
    await known_victim(ingest)
    await forge(ingest)
    device = await resolved(ingest, DEVICE)
    assert device["customer_id"] == device["subject_id"]
    same = {"type": "identify", "messageId": "s1", "userId": "u-victim", "anonymousId": DEVICE["value"]}
    assert (await ingest.send("/v1/batch", {"batch": [same]})).status_code == 200
    await ingest.number()
    assert (await resolved(ingest, DEVICE))["customer_id"] == (await resolved(ingest, USER))["customer_id"]


@pytest.mark.parametrize("path", ["/v1/receipts", "/v1/customers", "/v1/identities/claims"])
async def test_a_public_key_opens_no_native_route(ingest: Running, path: str) -> None:
    answer = await ingest.post(path, {}, ingest.keys.web_write_key)
    assert answer.status_code == 401
