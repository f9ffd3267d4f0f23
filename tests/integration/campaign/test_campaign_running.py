"""A campaign from plan to result: states, audience, hold-out, consent, messages, and what is measured."""

import asyncio
from collections import Counter
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest

from services.campaign.store.messages import claim_batch
from shared.events import Envelope
from shared.events.customers import ConsentChangedV1
from tests.integration.campaign.world import (
    DAY,
    NOW,
    OFFER,
    World,
    assigned,
    campaign_plan,
    consent,
    entered,
    envelope,
    sale,
    warned,
)

pytestmark = pytest.mark.postgres


async def arms(world: World, campaign_id: str) -> dict[UUID, str]:
    rows = await world.database.fetch(
        "SELECT customer_id, arm FROM participants WHERE campaign_id = $1", UUID(campaign_id)
    )
    return {row["customer_id"]: row["arm"] for row in rows}


async def test_only_the_allowed_steps_are_taken_and_a_repeated_one_changes_nothing(world: World) -> None:
    client = world.client()
    planned = (await client.post("/v1/campaigns", json=campaign_plan(audience={"segments_any": ["none"]}))).json()
    address = f"/v1/campaigns/{planned['campaign_id']}"
    assert (planned["state"], planned["actions"]) == ("draft", ["approve"])
    refused = await client.post(f"{address}:start")
    assert (refused.status_code, refused.json()["code"]) == (409, "wrong_state")
    for action, state in [
        ("approve", "approved"),
        ("start", "running"),
        ("start", "running"),
        ("pause", "paused"),
        ("start", "running"),
        ("stop", "stopped"),
    ]:
        answer = await client.post(f"{address}:{action}")
        assert (answer.status_code, answer.json()["state"]) == (200, state)
    assert (await client.post(f"{address}:start")).json()["code"] == "wrong_state"
    assert (await client.get(address)).json()["started_at"] == NOW.isoformat().replace("+00:00", "Z")


async def test_a_marketer_plans_but_does_not_approve(world: World) -> None:
    marketer = world.client("marketer")
    planned = await marketer.post("/v1/campaigns", json=campaign_plan())
    assert planned.status_code == 201
    refused = await marketer.post(f"/v1/campaigns/{planned.json()['campaign_id']}:approve")
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")


async def test_campaigns_are_listed_page_by_page_the_newest_first(world: World) -> None:
    client, made = world.client("marketer"), []
    for _ in range(5):
        world.clock.advance(DAY)
        made.append((await client.post("/v1/campaigns", json=campaign_plan())).json()["campaign_id"])
    seen: list[str] = []
    cursor: str | None = None
    while len(seen) < 5:
        page = (
            await client.get("/v1/campaigns", params={"limit": 2, **({"cursor": cursor} if cursor else {})})
        ).json()
        seen += [each["campaign_id"] for each in page["items"]]
        cursor = page["next_cursor"]
    assert seen[:5] == made[::-1]


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"template": {"body": "{{ first_name }}"}}, "/template/body"),
        ({"template": {"body": "{% for"}}, "/template/body"),
        ({"template": {"body": "{{ ''.__class__.__mro__ }}"}}, "/template/body"),
        ({"holdout_share": 1.5}, "/holdout_share"),
        ({"offer": {**OFFER, "percent": 10}}, "/offer"),
        ({"offer": {**OFFER, "valid_until": OFFER["valid_from"]}}, "/offer"),
        ({"audience": {"churn_levels": ["doomed"]}}, "/audience/churn_levels/0"),
        ({"offer": None, "template": None}, ""),
        ({"channel": "email"}, "/template/subject"),
    ],
)
async def test_a_plan_that_cannot_work_is_refused_by_field(world: World, changed: dict[str, Any], field: str) -> None:
    answer = await world.client().post("/v1/campaigns", json=campaign_plan(**changed))
    assert answer.status_code == 422, answer.text
    errors = answer.json()["errors"]
    assert not errors or errors[0]["field"] == field


async def test_an_audience_is_folded_into_customers_and_meets_every_condition(world: World) -> None:
    name = uuid4().hex[:8]
    both, segment_only, warned_only, excluded = (uuid4() for _ in range(4))
    absorbed, kept = uuid4(), uuid4()
    await world.apply(
        *(entered(each, f"win-{name}") for each in (both, segment_only, excluded, absorbed)),
        *(warned(each, "critical") for each in (both, warned_only, excluded)),
        warned(kept, "critical"),
        entered(excluded, f"not-{name}"),
        assigned(absorbed, kept),
    )
    audience = {
        "segments_any": [f"win-{name}"],
        "churn_levels": ["high", "critical"],
        "exclude_segments": [f"not-{name}"],
    }
    campaign_id = await world.started(audience=audience)
    assert set(await arms(world, campaign_id)) == {both, kept}
    again = await world.started(audience={**audience, "exclude_campaigns": [campaign_id]})
    assert await arms(world, again) == {}


async def test_a_store_s_audience_bought_there_in_the_last_year(world: World) -> None:
    recent, long_ago = uuid4(), uuid4()
    segment_id = uuid4().hex
    await world.apply(
        sale(recent, 100, at=NOW - 30 * DAY),
        sale(long_ago, 100, at=NOW - 400 * DAY),
        entered(recent, segment_id),
        entered(long_ago, segment_id),
    )
    campaign_id = await world.started(audience={"segments_all": [segment_id], "store_ids": ["S01"]})
    assert set(await arms(world, campaign_id)) == {recent}


async def test_the_hold_out_is_stored_first_and_gets_nothing(world: World) -> None:
    segment_id, _ = await world.segment(300)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0.3)
    await world.sending().run()
    drawn = await arms(world, campaign_id)
    counts = Counter(drawn.values())
    assert 55 <= counts["hold_out"] <= 130
    treated = {customer_id for customer_id, arm in drawn.items() if arm == "treated"}
    assert set(await world.codes(campaign_id)) == treated
    lines = [orjson.loads(line) for line in world.outbox()]
    assert {UUID(line["customer_id"]) for line in lines} == treated
    said = await world.database.fetch("SELECT body FROM events WHERE type = 'MessageDecided'")
    decided = Counter(
        orjson.loads(row["body"])["data"]["decision"] for row in said if campaign_id.encode() in row["body"]
    )
    assert decided == {"send": len(treated), "hold_out": counts["hold_out"]}
    await world.assert_books_hold()


async def test_issued_coupon_says_what_it_takes_off(world: World) -> None:
    segment_id, _ = await world.segment(3)
    await world.started(audience={"segments_any": [segment_id]}, holdout_share=0.01)
    said = await world.database.fetch("SELECT body FROM events WHERE type = 'CouponIssued'")
    offers = [orjson.loads(row["body"])["data"]["offer"] for row in said]
    assert offers
    for offer in offers:
        assert (offer["percent"] is None) is not (offer["amount_minor"] is None)
        assert (offer["currency"], offer["uses_max"]) == ("CNY", 1)


async def test_who_took_consent_back_is_taken_out_before_the_draw(world: World) -> None:
    segment_id, customer_ids = await world.segment(6)
    card = uuid4()
    await world.apply(
        consent(customer_ids[0], "withdrawn"),
        consent(customer_ids[1], "withdrawn", "sms"),
        consent(customer_ids[2], "withdrawn", at=NOW - DAY),
        consent(customer_ids[2], "granted"),
        assigned(card, customer_ids[3]),
        consent(card, "withdrawn"),
    )
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    drawn = await arms(world, campaign_id)
    assert {each for each, arm in drawn.items() if arm == "suppressed"} == {
        customer_ids[0],
        customer_ids[1],
        customer_ids[3],
    }
    checked = (await world.client().post(f"/v1/campaigns/{campaign_id}:check")).json()
    assert (checked["audience"], checked["suppressed"]) == (6, 3)


async def test_consent_taken_back_after_the_start_still_stops_the_message(world: World) -> None:
    segment_id, [customer_id] = await world.segment(1)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    await world.apply(consent(customer_id, "withdrawn"))
    await world.sending().run()
    row = await world.database.fetchrow(
        "SELECT state, reason FROM messages WHERE campaign_id = $1", UUID(campaign_id)
    )
    assert row is not None
    assert (row["state"], row["reason"]) == ("suppressed", "no_consent")
    assert world.outbox() == []


async def test_yesterday_s_offer_is_not_sent_today(world: World) -> None:
    segment_id, _ = await world.segment(2)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    world.clock.advance(40 * DAY)
    await world.sending().run()
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["messages"] == {"suppressed": 2}


async def test_an_email_campaign_does_not_start_without_a_mail_server(world: World) -> None:
    client = world.client()
    plan = campaign_plan(template={"subject": "For you", "body": "{{ code }}"}, channel="email")
    campaign_id = (await client.post("/v1/campaigns", json=plan)).json()["campaign_id"]
    await client.post(f"/v1/campaigns/{campaign_id}:approve")
    refused = await client.post(f"/v1/campaigns/{campaign_id}:start")
    assert (refused.status_code, refused.json()["code"]) == (409, "channel_not_configured")
    assert (await client.get(f"/v1/campaigns/{campaign_id}")).json()["state"] == "approved"


async def test_a_paused_campaign_sends_nothing_and_goes_on_where_it_was(world: World) -> None:
    segment_id, _ = await world.segment(5)
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0)
    client = world.client()
    await claim_batch(world.database, NOW, 2)
    await client.post(f"/v1/campaigns/{campaign_id}:pause")
    await world.sending().run()
    assert world.outbox() == []
    await client.post(f"/v1/campaigns/{campaign_id}:start")
    await world.sending().run()
    assert len(world.outbox()) == 5


async def test_starting_at_once_draws_once(world: World) -> None:
    segment_id, _ = await world.segment(20)
    client = world.client()
    plan = campaign_plan(audience={"segments_any": [segment_id]})
    campaign_id = (await client.post("/v1/campaigns", json=plan)).json()["campaign_id"]
    await client.post(f"/v1/campaigns/{campaign_id}:approve")
    answers = await asyncio.gather(*(client.post(f"/v1/campaigns/{campaign_id}:start") for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert sum(answers[0].json()["arms"].values()) == 20
    await asyncio.gather(*(world.prepare() for _ in range(3)))
    await world.assert_books_hold()


async def test_a_result_compares_the_arms_as_drawn(world: World) -> None:
    segment_id, customer_ids = await world.segment(200)
    await world.apply(*(sale(each, 1000 + 10 * n, at=NOW - 3 * DAY) for n, each in enumerate(customer_ids)))
    campaign_id = await world.started(audience={"segments_any": [segment_id]}, holdout_share=0.4)
    drawn = await arms(world, campaign_id)
    world.clock.advance(29 * DAY)
    await world.apply(
        *(
            sale(each, (2500 if drawn[each] == "treated" else 1000) + 3 * n, at=NOW + DAY)
            for n, each in enumerate(customer_ids)
        )
    )
    result = (await world.client("analyst").get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["finding"] == "more"
    difference = result["spend_difference_minor"]
    # The true effect is 1,500; six standard errors of the draw around it.
    assert difference["value"] == pytest.approx(1500, abs=160)
    assert difference["low"] < difference["value"] < difference["high"]
    assert result["treated"]["customers"] + result["hold_out"]["customers"] == 200
    assert result["incremental_minor"]["value"] == pytest.approx(difference["value"] * result["treated"]["customers"])
    assert result["sample_ratio_suspect"] == (result["sample_ratio_p"] < 0.001)


async def test_a_dry_run_is_drawn_and_measured_and_sends_nothing(world: World) -> None:
    segment_id, customer_ids = await world.segment(150)
    campaign_id = await world.started(
        audience={"segments_any": [segment_id]}, holdout_share=0.5, dry=True, offer=None, template=None
    )
    await world.sending().run()
    await world.apply(*(sale(each, 1000 + (n % 7) * 100, at=NOW + DAY) for n, each in enumerate(customer_ids)))
    world.clock.advance(30 * DAY)
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert (result["dry"], result["coupons"], result["messages"]) == (True, 0, {})
    # Nothing was done, so what differs is chance: within six standard errors of the draw.
    assert result["spend_difference_minor"]["value"] == pytest.approx(0, abs=200)
    assert world.outbox() == []


async def test_too_few_people_say_nothing_and_the_check_says_so_before(world: World) -> None:
    segment_id, _ = await world.segment(10)
    campaign_id = await world.started(audience={"segments_any": [segment_id]})
    checked = (await world.client().post(f"/v1/campaigns/{campaign_id}:check")).json()
    assert any("too few" in warning for warning in checked["warnings"])
    world.clock.advance(60 * DAY)
    result = (await world.client().get(f"/v1/campaigns/{campaign_id}/result")).json()
    assert result["finding"] == "not_enough_yet"
    assert "fewer than 30" in result["reason"]


async def test_the_check_says_what_could_be_measured_and_what_it_costs_at_most(world: World) -> None:
    segment_id, customer_ids = await world.segment(400)
    await world.apply(*(sale(each, 5000 + n, at=NOW - DAY) for n, each in enumerate(customer_ids)))
    plan = campaign_plan(audience={"segments_any": [segment_id]}, holdout_share=0.25)
    client = world.client()
    campaign_id = (await client.post("/v1/campaigns", json=plan)).json()["campaign_id"]
    checked = (await client.post(f"/v1/campaigns/{campaign_id}:check")).json()
    assert (checked["audience"], checked["hold_out"], checked["treated"]) == (400, 100, 300)
    assert checked["worst_cost_minor"] == 300 * 500
    assert checked["usual_buyer_share"] == 1.0
    assert 0 < checked["smallest_detectable_share"] < 0.02
    assert checked["warnings"] == []


async def test_a_campaign_that_has_not_started_has_no_result(world: World) -> None:
    client = world.client()
    campaign_id = (await client.post("/v1/campaigns", json=campaign_plan())).json()["campaign_id"]
    answer = await client.get(f"/v1/campaigns/{campaign_id}/result")
    assert (answer.status_code, answer.json()["code"]) == (409, "wrong_state")
    unknown = await client.get(f"/v1/campaigns/{uuid4()}/result")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "campaign_not_found")


def no_profiling(subject_id: UUID) -> Envelope[Any]:
    data = ConsentChangedV1(channel="any", purpose="personalisation", state="withdrawn")
    return envelope(data, subject_id)


async def test_whoever_wants_no_profiling_is_not_chosen_by_profile(world: World) -> None:
    name = uuid4().hex[:8]
    willing, refusing, absorbed = (uuid4() for _ in range(3))
    await world.apply(
        *(entered(each, f"win-{name}") for each in (willing, refusing)),
        no_profiling(absorbed),
        assigned(absorbed, refusing),
    )
    campaign_id = await world.started(audience={"segments_any": [f"win-{name}"]})
    assert set(await arms(world, campaign_id)) == {willing}


async def test_a_profiling_refused_after_the_draw_still_stops_the_message(world: World) -> None:
    name, person = uuid4().hex[:8], uuid4()
    await world.apply(entered(person, f"win-{name}"))
    campaign_id = await world.started(audience={"segments_any": [f"win-{name}"]}, holdout_share=0)
    await world.prepare()
    await world.apply(no_profiling(person))
    await world.sending().run()
    row = await world.database.fetchrow(
        "SELECT state, reason FROM messages WHERE campaign_id = $1", UUID(str(campaign_id))
    )
    assert row is not None
    assert (row["state"], row["reason"]) == ("suppressed", "no_profiling")
