"""The quality of days, from lists that were shown and receipts that followed, to the route and its alerts."""

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from prometheus_client import REGISTRY

from services.recommend.handlers import quality
from services.recommend.handlers.quality import Measuring, measured_day
from services.recommend.store import quality as store
from services.recommend.store.quality import QualityRow
from tests.integration.recommend.conftest import Running
from tests.integration.recommend.events import ANN, BEN, bought, product

pytestmark = pytest.mark.postgres
MEASURING = Measuring("Asia/Shanghai", 7)


@pytest.fixture
async def shop(recommend: Running) -> Running:
    await recommend.apply(
        *(product(f"p{n}", categories=("GROCERY", f"type {n % 2}")) for n in range(8)),
        *(bought(f"a{n}", ANN, n + 3, "p1", "p2") for n in range(6)),
    )
    await recommend.refresh()
    return recommend


def today() -> date:
    return MEASURING.day_of(datetime.now(UTC))


async def rows_of(shop: Running, days_later: float = 0) -> dict[tuple[str, str], QualityRow]:
    await shop.desk.shown.flush()
    now = datetime.now(UTC) + timedelta(days=days_later)
    found = await measured_day(shop.database, MEASURING, today(), now)
    return {(row.placement, row.customer_group): row for row in found}


async def test_a_list_is_judged_by_the_customers_first_basket_after_it(shop: Running) -> None:
    answer = await shop.recommend(customer_id=str(ANN), limit=3)
    first = answer["items"][0]["id"]
    await shop.apply(bought("next", ANN, -1, first, "other"), bought("second", ANN, -2, "nothing shown"))
    found = await rows_of(shop, days_later=3)
    row = found["for-you", "all"]
    assert not row.is_final
    assert (row.figures["lists"], row.figures["judged"], row.figures["hit_rate"]) == (1, 1, 1.0)
    assert row.figures["ndcg@10_min"] == pytest.approx(1 / (1 + 0.6309), abs=1e-3)
    assert row.figures["coverage"] == pytest.approx(3 / 8)
    assert row.figures["latency_p50_ms"] > 0
    assert found["for-you", "heavy"].figures["lists"] == 1


async def test_baskets_after_the_window_do_not_count_and_the_day_is_then_final(shop: Running) -> None:
    answer = await shop.recommend(customer_id=str(ANN), limit=3)
    await shop.apply(bought("late", ANN, -7.5, answer["items"][0]["id"]))
    row = (await rows_of(shop, days_later=9))["for-you", "all"]
    assert row.is_final
    assert row.figures["judged"] == 0


async def test_groups_are_told_apart(shop: Running) -> None:
    await shop.recommend(customer_id=str(ANN))
    await shop.recommend(customer_id=str(BEN))
    await shop.recommend()
    await shop.recommend("trending")
    found = await rows_of(shop)
    assert {key: row.figures["lists"] for key, row in found.items()} == {
        ("for-you", "all"): 3,
        ("for-you", "heavy"): 1,
        ("for-you", "new"): 1,
        ("for-you", "anonymous"): 1,
        ("trending", "all"): 1,
        ("trending", "anonymous"): 1,
    }


async def test_pages_of_a_day_are_read_to_the_end_and_no_further_than_allowed(
    shop: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store, "LISTS_AT_ONCE", 2)
    for _ in range(5):
        await shop.recommend()
    assert (await rows_of(shop))["for-you", "all"].figures["lists"] == 5
    monkeypatch.setattr(quality, "LISTS_OF_A_DAY_MAX", 4)
    assert (await rows_of(shop))["for-you", "all"].figures["lists"] == 4


async def test_the_worker_keeps_every_open_day_and_the_route_shows_it(shop: Running) -> None:
    await shop.recommend(customer_id=str(ANN))
    await shop.desk.shown.flush()
    await shop.database.execute("UPDATE shown SET shown_at = shown_at - interval '2 days'")
    await shop.recommend(customer_id=str(ANN))
    await shop.desk.shown.flush()
    for _ in range(2):
        await quality.measure(shop.database, shop.desk.clock, MEASURING)
    answer = (await shop.get("/v1/quality")).json()
    assert [each["day"] for each in answer["days"]] == [str(today() - timedelta(days=2)), str(today())]
    assert answer["window_days"] == 7
    assert (answer["now"]["model_version"], answer["now"]["model_age_days"]) == ("untrained", None)
    assert answer["now"]["shelf_age_s"] >= 0
    heavy = (await shop.get(f"/v1/quality?group=heavy&from={today()}&placement=for-you")).json()["days"]
    assert [(each["group"], each["final"]) for each in heavy] == [("heavy", False)]
    assert (await shop.get("/v1/quality?placement=basket")).json()["days"] == []


async def test_a_final_day_is_not_worked_out_again(shop: Running) -> None:
    await shop.recommend()
    await shop.desk.shown.flush()
    await shop.database.execute("UPDATE shown SET shown_at = shown_at - interval '20 days'")
    await quality.measure(shop.database, shop.desk.clock, MEASURING)
    await shop.database.execute("DELETE FROM shown")
    await shop.recommend()
    await shop.desk.shown.flush()
    await quality.measure(shop.database, shop.desk.clock, MEASURING)
    assert await shop.database.fetchval("SELECT count(*) FROM quality_days WHERE is_final") == 2


async def fallen(shop: Running) -> None:
    """Five weeks of figures, of which the last is worse."""
    for ago in range(1, 43):
        hit_rate = (0.4 if ago <= 14 else 0.6) + 0.005 * (ago % 3)
        day = today() - timedelta(days=ago)
        row = QualityRow(day, "for-you", "all", is_final=ago > 7, figures={"hit_rate": hit_rate})
        async with shop.database.transaction() as tx:
            await store.keep(tx, day, [row])


async def test_a_fall_is_in_the_answer_and_in_the_metrics(shop: Running) -> None:
    await fallen(shop)
    (alert,) = (await shop.get("/v1/quality")).json()["alerts"]
    assert (alert["placement"], alert["figure"]) == ("for-you", "hit_rate")
    assert alert["change_high"] < 0 < alert["now"] < alert["usual"]
    quality.tell(await quality.alerts(shop.database, today()))
    assert _told("hit_rate") == 1
    assert _told("coverage") == 0
    quality.tell({"for-you": []})
    assert _told("hit_rate") == 0


def _told(figure: str) -> float | None:
    return REGISTRY.get_sample_value("recommend_quality_alert", {"placement": "for-you", "figure": figure})


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("from=2026-03-02&until=2026-03-01", 422, "from"),
        ("from=2020-01-01&until=2026-03-01", 422, "from"),
        ("from=soon", 422, "from"),
        ("until=0001-01-01", 422, "until"),
        ("from=9999-12-31", 422, "from"),
        ("group=rich", 422, "group"),
        ("placement=home", 422, "placement"),
    ],
)
async def test_a_wrong_question_names_its_parameter(shop: Running, query: str, status: int, field: str) -> None:
    answer = await shop.get(f"/v1/quality?{query}")
    found: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert found["errors"][0]["field"].strip("/") == field
