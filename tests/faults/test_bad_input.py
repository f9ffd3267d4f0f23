"""Bad input at running services, over HTTP: each gets a clear error, and the good beside it arrives."""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.ports import free_port
from tests.faults.count import open_tables
from tests.faults.deployment import Deployment, deployed
from tests.faults.tills import Sale, receipt
from tests.fixtures.waiting import until

pytestmark = [pytest.mark.postgres, pytest.mark.broker, pytest.mark.faults, pytest.mark.timeout(300)]

TILLS = 50
USES = 7
SOON_SECONDS = 30.0


@pytest.fixture(scope="module")
def shop(postgres: EmbeddedPostgres, deployment_folder: Callable[[], Path]) -> Iterator[Deployment]:
    """Ingest, profile and campaign, shared by this module's tests: each has its own tills and cards."""
    folder = deployment_folder()
    broker = EmbeddedBroker(folder, free_port())
    try:
        broker.start()
        with deployed(("ingest", "profile", "campaign"), folder, postgres, broker.bootstrap_servers) as deployment:
            yield deployment
    finally:
        broker.stop()


def sale(till: str, number: int, **changes: Any) -> dict[str, Any]:
    return {**receipt(till, number, Sale("6000000001", 1_000)), **changes}


def is_problem(answer: httpx.Response) -> bool:
    return answer.headers["content-type"].startswith("application/problem+json") and bool(answer.json()["message"])


async def test_broken_json_is_answered_and_stops_nothing(shop: Deployment) -> None:
    async with shop.client("ingest") as client:
        broken = await client.post("/v1/receipts", content=b'{"receipts": [{"store_id": ')
        assert (broken.status_code, broken.json()["code"]) == (400, "malformed_json")
        assert is_problem(broken)
        good = await client.post("/v1/receipts", json=sale("broken-json", 1))
        assert good.json()["results"][0]["status"] == "accepted"


async def test_good_receipts_of_a_bad_batch_arrive_and_each_bad_one_is_named(shop: Deployment) -> None:
    till = "bad-batch"
    first = sale(till, 1)
    wrong_type = sale(till, 4)
    wrong_type["lines"][1]["amount_minor"] = "ten"
    batch = [
        sale(till, 2, note="x" * 5_000_000),
        sale(till, 3, identifiers=[]),
        wrong_type,
        {**first, "lines": [{**first["lines"][0], "amount_minor": 1}]},
        *(sale(till, number) for number in (5, 6, 7)),
    ]
    async with shop.client("ingest") as client, open_tables(shop) as tables:
        await client.post("/v1/receipts", json=first)
        answer = await client.post("/v1/receipts", json={"receipts": batch})
        assert answer.status_code == 200, answer.text
        results = answer.json()["results"]
        assert [(each["status"], each["code"], each["field"]) for each in results] == [
            ("refused", "too_large", "/note"),
            ("accepted", None, None),
            ("refused", "invalid_field", "/lines/1/amount_minor"),
            ("conflict", "key_reused", "/sequence_number"),
            *[("accepted", None, None)] * 3,
        ]
        assert all(each["message"] for each in results if each["status"] != "accepted")
        await _until_seen(
            tables.databases["profile"], [each["message_id"] for each in results if each["status"] == "accepted"]
        )
        listed = (await client.get("/v1/refusals")).json()["items"]
        assert {(each["outcome"], each["code"], each["field"]) for each in listed} >= {
            ("refused", "too_large", "/note"),
            ("refused", "invalid_field", "/lines/1/amount_minor"),
            ("conflict", "key_reused", "/sequence_number"),
        }


async def _until_seen(profile: Any, message_ids: list[str]) -> None:
    """Wait for profile to hold these receipts."""

    async def are_there() -> bool:
        found = await profile.fetchval(
            "SELECT count(*) FROM receipts WHERE event_id = ANY($1::text[]::uuid[])", message_ids
        )
        return bool(found == len(message_ids))

    await until(are_there, SOON_SECONDS)


def redemption(code: str) -> dict[str, Any]:
    return {
        "redeemables": [{"kind": "coupon", "id": code}],
        "order": {
            "store_id": "S01",
            "currency": "USD",
            "lines": [{"product_id": "P1", "quantity": "1", "amount_minor": 3_000}],
        },
    }


async def redeem(client: httpx.AsyncClient, code: str) -> httpx.Response:
    return await client.post("/v1/redemptions", json=redemption(code), headers={"Idempotency-Key": uuid4().hex})


def reason_of(refused: httpx.Response) -> tuple[str, str, str, str]:
    """Return the code of a refusal, the field and the coupon that it is about, and the limit that was met."""
    problem = refused.json()
    (error,) = problem["errors"]
    assert error["code"] == problem["code"]
    assert error["message"] == problem["message"]
    return error["code"], error["field"], error["id"], error["limit"]


async def test_an_unknown_coupon_is_named(shop: Deployment) -> None:
    async with shop.client("campaign") as client:
        answer = await redeem(client, "NO-SUCH-CODE")
        assert (answer.status_code, answer.json()["code"]) == (409, "not_found")
        assert is_problem(answer)
        (error,) = answer.json()["errors"]
        assert (error["field"], error["id"]) == ("/redeemables/0", "NO-SUCH-CODE")


async def test_fifty_tills_at_once_never_redeem_a_code_more_often_than_it_may_be(shop: Deployment) -> None:
    async with shop.client("campaign") as client:
        code = await _coupon(shop, client)
        answers = await asyncio.gather(*(redeem(client, code) for _ in range(TILLS)))
        assert Counter(answer.status_code for answer in answers) == {200: USES, 409: TILLS - USES}
        refused = [answer for answer in answers if answer.status_code == 409]
        assert all(is_problem(answer) for answer in refused)
        assert Counter(map(reason_of, refused)) == {
            ("limit_reached", "/redeemables/0", code, "code_uses"): TILLS - USES
        }


async def _coupon(shop: Deployment, client: httpx.AsyncClient) -> str:
    """Run a campaign for everybody who ever bought; return one customer's code."""
    async with shop.client("ingest") as ingest:
        sold = await ingest.post("/v1/receipts", json=sale("coupon", 1))
        message_id = sold.json()["results"][0]["message_id"]
        customer_id = (await ingest.get(f"/v1/events/{message_id}")).json()["subject_id"]
    planned = await client.post("/v1/campaigns", json=_plan())
    assert planned.status_code == 201, planned.text
    campaign = f"/v1/campaigns/{planned.json()['campaign_id']}"

    async def is_known() -> bool:
        return bool((await client.post(f"{campaign}:check")).json()["audience"])

    await until(is_known, SOON_SECONDS)
    for action in ("approve", "start"):
        answer = await client.post(f"{campaign}:{action}")
        assert answer.status_code == 200, answer.text
    codes: list[str] = []

    async def is_issued() -> bool:
        listed = await client.get("/v1/coupons", params={"customer_id": customer_id})
        codes.extend(each["code"] for each in listed.json()["items"])
        return bool(codes)

    await until(is_issued, SOON_SECONDS)
    return codes[0]


def _plan() -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "name": "For everybody",
        "holdout_share": 0,
        "offer": {
            "amount_minor": 500,
            "uses_per_code": USES,
            "uses_per_customer": TILLS,
            "valid_from": (now - timedelta(days=1)).isoformat(),
            "valid_until": (now + timedelta(days=30)).isoformat(),
        },
        "template": {"body": "{{ discount }} off with {{ code }}"},
    }
