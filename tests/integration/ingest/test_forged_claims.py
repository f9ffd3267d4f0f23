"""Public keys stand in every page: what is forged with one changes nothing about anybody, in no service."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.domain.tokens import identity_token
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


async def token_for(ingest: Running, user_id: str, device: str, valid_for: timedelta = timedelta(hours=1)) -> str:
    answer = await ingest.get("/v1/identities/token-secrets/shop-web")
    assert answer.status_code == 200, answer.text
    now = ingest.app.state.clock.now()
    return identity_token(answer.json()["secret"], user_id, device, now + valid_for)


async def page(ingest: Running, token: str, user_id: str = "u-victim", device: str = DEVICE["value"]) -> bool:
    """Send a page's message with a token; say whether the device is the user's now."""
    context = {"identityToken": token}
    message = {"type": "identify", "messageId": "t1", "userId": user_id, "anonymousId": device, "context": context}
    message["traits"] = {"city": "Nowhere"}
    answer = await ingest.send("/v1/batch", {"batch": [message]}, ingest.keys.web_write_key)
    assert answer.status_code == 200
    await ingest.number()
    user = {"namespace": "user_id", "value": user_id}
    found = await resolved(ingest, {"namespace": "anonymous_id", "value": device})
    return bool(found["customer_id"] == (await resolved(ingest, user))["customer_id"])


async def test_what_the_shops_server_signed_links_the_account_with_the_device(ingest: Running) -> None:
    await known_victim(ingest)
    assert await page(ingest, await token_for(ingest, "u-victim", DEVICE["value"]))
    (said,) = [one for one in await ingest.envelopes() if one.type == "AttributesChanged"][1:]
    assert said.subject_kind == "device"


@pytest.mark.parametrize(
    ("user_id", "device", "hours"),
    [
        pytest.param("u-other", DEVICE["value"], 1, id="another user's"),
        pytest.param("u-victim", "another-device", 1, id="another device's"),
        pytest.param("u-victim", DEVICE["value"], -1, id="run out"),
        pytest.param("u-victim", DEVICE["value"], 48, id="valid for too long"),
    ],
)
async def test_a_token_that_does_not_hold_links_nobody(
    ingest: Running, user_id: str, device: str, hours: int
) -> None:
    await known_victim(ingest)
    assert not await page(ingest, await token_for(ingest, user_id, device, timedelta(hours=hours)))


@pytest.mark.parametrize("token", ["", "x", "9" * 40, "\u0664\u0665.ab", "1.2.3", "\u00e9.\u00e9"])
async def test_a_token_that_is_none_links_nobody_and_breaks_nothing(ingest: Running, token: str) -> None:
    assert not await page(ingest, token)


async def test_only_who_manages_sources_sees_a_token_secret(ingest: Running) -> None:
    unknown = await ingest.get("/v1/identities/token-secrets/nobody")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "source_not_found")
    headers = {"Authorization": f"Bearer {ingest.keys.store}"}
    answer = await ingest.client.get("/v1/identities/token-secrets/shop-web", headers=headers)
    assert answer.status_code == 403


@pytest.mark.parametrize("path", ["/v1/receipts", "/v1/customers", "/v1/identities/claims"])
async def test_a_public_key_opens_no_native_route(ingest: Running, path: str) -> None:
    answer = await ingest.post(path, {}, ingest.keys.web_write_key)
    assert answer.status_code == 401
