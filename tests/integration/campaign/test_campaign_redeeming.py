"""Redemptions on the real database: exactly once, hard caps, all or none."""

import asyncio
import random
from collections import Counter
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from shared.identity import normalise, subject_id_for
from tests.integration.campaign.world import DAY, KEYS, OFFER, World, assigned, entered, once, redemption

pytestmark = pytest.mark.postgres


async def redeem(world: World, code: str, key: str | None = None, **changed: Any) -> httpx.Response:
    return await world.client("till").post("/v1/redemptions", json=redemption(code, **changed), headers=once(key))


async def test_a_coupon_takes_its_discount_off_the_order(world: World) -> None:
    customer_id, code = await world.coupon()
    answer = await redeem(world, code, customer_id=str(customer_id))
    assert answer.status_code == 200, answer.text
    body = answer.json()
    assert body["order"] == {"total_minor": 3000, "discount_minor": 500, "payable_minor": 2500, "currency": "CNY"}
    assert [(each["status"], each["discount_minor"]) for each in body["redeemables"]] == [("applied", 500)]
    await world.assert_books_hold()


async def test_fifty_tills_with_one_code_get_exactly_as_many_uses_as_it_has(world: World) -> None:
    _, code = await world.coupon(uses_per_code=7, uses_per_customer=50)
    answers = await asyncio.gather(*(redeem(world, code) for _ in range(50)))
    assert Counter(answer.status_code for answer in answers) == {200: 7, 409: 43}
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"limit_reached"}
    await world.assert_books_hold()


async def test_fifty_tills_with_different_codes_never_pass_the_campaign_s_caps(world: World) -> None:
    segment_id, _ = await world.segment(50)
    offer = {**OFFER, "cap_total_uses": 9}
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0, offer=offer)
    codes = (await world.codes(campaign_id)).values()
    answers = await asyncio.gather(*(redeem(world, code) for code in codes))
    assert Counter(answer.status_code for answer in answers) == {200: 9, 409: 41}
    refused = next(answer.json() for answer in answers if answer.status_code == 409)
    assert refused["errors"][0]["limit"] == "campaign_uses"
    await world.assert_books_hold()


async def test_the_money_cap_is_never_passed_by_a_cent(world: World) -> None:
    segment_id, _ = await world.segment(30)
    offer = {**OFFER, "amount_minor": None, "percent": 10, "cap_total_discount_minor": 1234}
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0, offer=offer)
    codes = (await world.codes(campaign_id)).values()
    totals = random.Random(7)
    answers = await asyncio.gather(*(redeem(world, code, total_minor=totals.randrange(500, 3000)) for code in codes))
    given = sum(answer.json()["order"]["discount_minor"] for answer in answers if answer.status_code == 200)
    assert 0 < given <= 1234
    assert {answer.json()["errors"][0]["limit"] for answer in answers if answer.status_code == 409} == {
        "campaign_discount"
    }
    await world.assert_books_hold()


async def test_one_key_sent_by_many_at_once_has_one_effect(world: World) -> None:
    _, code = await world.coupon(uses_per_code=100, uses_per_customer=100)
    key = uuid4().hex
    answers = await asyncio.gather(*(redeem(world, code, key) for _ in range(20)))
    done = [answer for answer in answers if answer.status_code == 200]
    assert len({answer.content for answer in done}) == 1
    assert {a.json()["code"] for a in answers if a.status_code != 200} <= {"idempotency_in_progress"}
    uses = await world.database.fetchval("SELECT uses FROM coupons WHERE code = $1", code)
    assert uses == 1
    repeat = await redeem(world, code, key)
    assert repeat.headers["idempotency-replayed"] == "true"
    assert repeat.content == done[0].content


async def test_one_key_for_another_basket_is_refused(world: World) -> None:
    _, code = await world.coupon(uses_per_code=5, uses_per_customer=5)
    key = uuid4().hex
    await redeem(world, code, key)
    other = await redeem(world, code, key, total_minor=999)
    assert (other.status_code, other.json()["code"]) == (422, "idempotency_key_reused")


async def test_without_a_key_nothing_is_redeemed(world: World) -> None:
    _, code = await world.coupon()
    answer = await world.client("till").post("/v1/redemptions", json=redemption(code))
    assert (answer.status_code, answer.json()["code"]) == (400, "idempotency_key_missing")


async def test_an_unknown_coupon_is_refused_and_named(world: World) -> None:
    answer = await redeem(world, "NO-SUCH-CODE")
    assert answer.status_code == 409
    problem = answer.json()
    assert problem["code"] == "not_found"
    assert problem["errors"] == [
        {
            "field": "/redeemables/0",
            "id": "NO-SUCH-CODE",
            "code": "not_found",
            "message": "there is no such coupon",
        }
    ]


async def test_of_two_coupons_one_that_does_not_apply_refuses_both(world: World) -> None:
    _, good = await world.coupon()
    _, dear = await world.coupon(min_basket_minor=100_000)
    body = redemption(good)
    body["redeemables"].append({"kind": "coupon", "id": dear})
    answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
    assert (answer.status_code, answer.json()["code"]) == (409, "min_basket_not_met")
    assert [error["field"] for error in answer.json()["errors"]] == ["/redeemables/1"]
    assert (await redeem(world, good)).status_code == 200


async def test_every_coupon_over_a_cap_is_named_with_its_limit(world: World) -> None:
    _, good = await world.coupon()
    _, used_up = await world.coupon(cap_total_uses=1, uses_per_code=2, uses_per_customer=2)
    _, too_dear = await world.coupon(cap_total_discount_minor=499)
    _, once_each = await world.coupon(uses_per_code=2, uses_per_customer=1)
    for code in (used_up, once_each):
        assert (await redeem(world, code)).status_code == 200
    body = redemption(good)
    body["redeemables"] += [{"kind": "coupon", "id": code} for code in (used_up, too_dear, once_each)]
    answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
    assert (answer.status_code, answer.json()["code"]) == (409, "limit_reached")
    assert [(error["field"], error["id"], error["code"], error["limit"]) for error in answer.json()["errors"]] == [
        ("/redeemables/1", used_up, "limit_reached", "campaign_uses"),
        ("/redeemables/2", too_dear, "limit_reached", "campaign_discount"),
        ("/redeemables/3", once_each, "limit_reached", "customer_uses"),
    ]
    assert all(error["message"] for error in answer.json()["errors"])
    await world.assert_books_hold()
    assert (await redeem(world, good)).status_code == 200


async def test_of_one_campaign_s_coupons_those_that_fit_are_not_named(world: World) -> None:
    segment_id, _ = await world.segment(3)
    offer = {**OFFER, "cap_total_uses": 2}
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0, offer=offer)
    codes = list((await world.codes(campaign_id)).values())
    body = redemption(codes[0])
    body["redeemables"] += [{"kind": "coupon", "id": code} for code in codes[1:]]
    answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
    assert answer.status_code == 409
    [error] = answer.json()["errors"]
    assert (error["code"], error["limit"]) == ("limit_reached", "campaign_uses")
    body["redeemables"] = [each for each in body["redeemables"] if each["id"] != error["id"]]
    assert (await world.client("till").post("/v1/redemptions", json=body, headers=once())).status_code == 200
    await world.assert_books_hold()


async def test_a_coupon_with_no_money_left_takes_no_use_from_the_next(world: World) -> None:
    segment_id, _ = await world.segment(2)
    offer = {**OFFER, "cap_total_uses": 1, "cap_total_discount_minor": 499}
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0, offer=offer)
    codes = list((await world.codes(campaign_id)).values())
    body = redemption(codes[0])
    body["redeemables"].append({"kind": "coupon", "id": codes[1]})
    answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
    assert [error["limit"] for error in answer.json()["errors"]] == ["campaign_discount"] * 2


async def test_a_coupon_with_nothing_left_to_take_off_is_skipped_and_keeps_its_use(world: World) -> None:
    _, first = await world.coupon()
    _, second = await world.coupon()
    body = redemption(first, total_minor=400)
    body["redeemables"].append({"kind": "coupon", "id": second})
    answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
    assert [each["status"] for each in answer.json()["redeemables"]] == ["applied", "skipped"]
    assert answer.json()["order"]["payable_minor"] == 0
    assert (await redeem(world, second)).status_code == 200


@pytest.mark.parametrize(
    ("offer", "after", "code"),
    [
        ({}, 30 * DAY, "expired"),
        ({"valid_from": "2026-12-01T00:00:00Z"}, timedelta(0), "not_yet_valid"),
        ({"product_ids": ["P999"]}, timedelta(0), "not_applicable"),
        ({"categories": ["CHEESE"]}, timedelta(0), "not_applicable"),
    ],
)
async def test_each_refusal_has_its_code(world: World, offer: dict[str, object], after: timedelta, code: str) -> None:
    _, coupon = await world.coupon(**offer)
    world.clock.advance(after)
    answer = await redeem(world, coupon)
    assert (answer.status_code, answer.json()["code"]) == (409, code)


async def test_a_coupon_is_its_customer_s_own(world: World) -> None:
    _, code = await world.coupon()
    answer = await redeem(world, code, customer_id=str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_customer")


async def test_a_till_names_the_customer_by_card_and_a_merged_one_is_the_same(world: World) -> None:
    card = str(uuid4().int)[:12].lstrip("0") + "7"
    subject_id = subject_id_for("loyalty_card", KEYS.blind_index("loyalty_card", normalise("loyalty_card", card)))
    segment_id, customer_id = f"card-{card}", uuid4()
    await world.apply(entered(customer_id, segment_id), assigned(subject_id, customer_id))
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    code = (await world.codes(campaign_id))[customer_id]
    answer = await redeem(world, code, identifier={"namespace": "loyalty_card", "value": card})
    assert answer.status_code == 200, answer.text


async def test_a_phone_number_is_resolved_by_ingest_alone(world: World) -> None:
    customer_id, code = await world.coupon()
    world.ingest.subjects["phone", "+12025550147"] = customer_id
    answer = await redeem(world, code, identifier={"namespace": "phone", "value": "+12025550147"})
    assert answer.status_code == 200, answer.text


async def test_a_key_of_another_store_may_not_redeem_here(world: World) -> None:
    _, code = await world.coupon()
    till = world.client("till-S02")
    refused = await till.post("/v1/redemptions", json=redemption(code), headers=once())
    assert (refused.status_code, refused.json()["code"]) == (403, "store_not_allowed")
    own = await till.post("/v1/redemptions", json=redemption(code, order={"store_id": "S02"}), headers=once())
    assert own.status_code == 200


async def test_a_dry_run_takes_nothing_and_says_the_same(world: World) -> None:
    customer_id, code = await world.coupon()
    till = world.client("till")
    for _ in range(3):
        dry = (await till.post("/v1/validations", json=redemption(code))).json()
        assert (dry["valid"], dry["order"]["discount_minor"]) == (True, 500)
    own = {"customer_id": str(customer_id), "order": redemption(code)["order"]}
    qualified = (await till.post("/v1/qualifications", json=own)).json()
    assert [(each["id"], each["status"]) for each in qualified["redeemables"]] == [(code, "applied")]
    await redeem(world, code)
    dry = (await till.post("/v1/validations", json=redemption(code))).json()
    assert (dry["valid"], dry["redeemables"][0]["code"]) == (False, "limit_reached")


async def test_a_customer_s_coupons_are_listed_with_their_state(world: World) -> None:
    customer_id, code = await world.coupon()
    listed = await world.client("till").get("/v1/coupons", params={"customer_id": str(customer_id)})
    assert [(each["code"], each["state"]) for each in listed.json()["items"]] == [(code, "active")]
    await redeem(world, code)
    listed = await world.client("till").get("/v1/coupons", params={"customer_id": str(customer_id)})
    assert listed.json()["items"][0]["state"] == "used"


async def test_of_very_many_coupons_the_newest_are_listed(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.campaign.store.redemptions.COUPONS_MAX", 2)
    codes = [(await world.coupon())[1] for _ in range(3)]
    customer_id, newest = await world.coupon()
    await world.database.execute(
        "UPDATE coupons SET customer_id = $1, issued_at = issued_at"
        " - array_position($2::text[], code) * interval '1 hour' WHERE code = ANY($2)",
        customer_id,
        [newest, *codes],
    )
    listed = await world.client("till").get("/v1/coupons", params={"customer_id": str(customer_id)})
    assert [each["code"] for each in listed.json()["items"]] == [newest, codes[0]]


async def roll_back(world: World, redemption_id: str, key: str | None = None) -> httpx.Response:
    return await world.client("till").post(f"/v1/redemptions/{redemption_id}/rollbacks", headers=once(key))


async def test_a_rollback_gives_every_cap_back_once(world: World) -> None:
    _, code = await world.coupon(cap_total_uses=1, cap_total_discount_minor=500)
    redemption_id = (await redeem(world, code)).json()["redemption_id"]
    assert (await redeem(world, code)).status_code == 409
    assert (await roll_back(world, redemption_id)).status_code == 200
    again = await roll_back(world, redemption_id)
    assert (again.status_code, again.json()["code"]) == (409, "already_rolled_back")
    assert (await redeem(world, code)).status_code == 200
    await world.assert_books_hold()


async def test_twenty_rollbacks_in_the_same_moment_give_back_once(world: World) -> None:
    _, code = await world.coupon(uses_per_code=5, uses_per_customer=5)
    redemption_id = (await redeem(world, code)).json()["redemption_id"]
    answers = await asyncio.gather(*(roll_back(world, redemption_id) for _ in range(20)))
    assert Counter(answer.status_code for answer in answers) == {200: 1, 409: 19}
    assert await world.database.fetchval("SELECT uses FROM coupons WHERE code = $1", code) == 0
    await world.assert_books_hold()


async def test_a_till_rolls_back_what_its_own_store_redeemed(world: World) -> None:
    _, code = await world.coupon()
    redemption_id = (await redeem(world, code)).json()["redemption_id"]
    path = f"/v1/redemptions/{redemption_id}/rollbacks"
    refused = await world.client("till-S02").post(path, headers=once())
    assert (refused.status_code, refused.json()["code"]) == (403, "store_not_allowed")
    assert (await roll_back(world, redemption_id)).status_code == 200


async def test_an_unknown_redemption_cannot_be_rolled_back(world: World) -> None:
    answer = await roll_back(world, str(uuid4()))
    assert (answer.status_code, answer.json()["code"]) == (404, "redemption_not_found")


async def test_random_redeeming_and_rolling_back_at_once_leaves_the_books_right(world: World) -> None:
    segment_id, _ = await world.segment(6)
    offer = {**OFFER, "uses_per_code": 3, "uses_per_customer": 3, "cap_total_uses": 10}
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0, offer=offer)
    codes = list((await world.codes(campaign_id)).values())
    draws, open_ids = random.Random(11), []

    async def one_till(number: int) -> None:
        for _ in range(8):
            # Two coupons in either order: tills must not wait for each other for ever.
            pair = draws.sample(codes, 2)
            body = redemption(pair[0])
            body["redeemables"].append({"kind": "coupon", "id": pair[1]})
            answer = await world.client("till").post("/v1/redemptions", json=body, headers=once())
            assert answer.status_code in {200, 409}, (number, answer.text)
            if answer.status_code == 200:
                open_ids.append(answer.json()["redemption_id"])
            if open_ids and draws.random() < 0.6:
                taken_back = await roll_back(world, draws.choice(open_ids))
                assert taken_back.status_code in {200, 409}, taken_back.text

    await asyncio.gather(*(one_till(number) for number in range(8)))
    await world.assert_books_hold()
    row = await world.database.fetchrow("SELECT uses FROM campaign_caps WHERE campaign_id = $1", UUID(campaign_id))
    assert row is not None
    assert row["uses"] <= 10


async def test_a_redemption_is_said_once_and_its_rollback_next(world: World) -> None:
    _, code = await world.coupon()
    redemption_id = (await redeem(world, code)).json()["redemption_id"]
    await roll_back(world, redemption_id)
    bodies = await world.database.fetch("SELECT body FROM events WHERE type = 'CouponRedeemed'")
    said = [body["body"] for body in bodies if redemption_id.encode() in body["body"]]
    assert sorted(b'"state":"rolled_back"' in body for body in said) == [False, True]


async def test_no_two_customers_share_a_code(world: World) -> None:
    segment_id, _ = await world.segment(200)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    codes = await world.codes(campaign_id)
    assert len(set(codes.values())) == 200
    assert all(len(code) == 14 for code in codes.values())


async def test_of_a_campaign_that_stopped_unsent_coupons_are_withdrawn(world: World) -> None:
    segment_id, [customer_id] = await world.segment(1)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    code = (await world.codes(campaign_id))[customer_id]
    await world.client().post(f"/v1/campaigns/{campaign_id}:stop")
    answer = await redeem(world, code)
    assert (answer.status_code, answer.json()["code"]) == (409, "withdrawn")
