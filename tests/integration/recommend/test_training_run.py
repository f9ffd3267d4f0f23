"""From receipts in the tables to a model that a running API answers from."""

import subprocess
import sys
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import polars as pl
import pytest

from services.recommend.training import run as training_run
from services.recommend.training.origins import TooLittleDataError
from shared.db import Database
from tests.fixtures.waiting import until
from tests.integration.recommend.conftest import Running, apply
from tests.integration.recommend.events import NOW, bought, product, subject
from tests.unit.recommend.factories import town

pytestmark = pytest.mark.postgres
WEEKS = 30


def receipts(lines: pl.DataFrame) -> list[Any]:
    """The made-up town's receipts, moved so that the last day is yesterday."""
    moved = NOW - timedelta(days=1) - max(lines["at"])
    return [_sale(part, moved) for part in lines.partition_by("basket_id", maintain_order=True)]


def _sale(part: pl.DataFrame, moved: timedelta) -> Any:
    first = part.row(0, named=True)
    at: datetime = first["at"] + moved
    days = (NOW - at) / timedelta(days=1)
    return bought(
        first["basket_id"],
        subject(first["customer_id"]),
        days,
        *part["product_id"].to_list(),
        store=first["store_id"],
    )


async def fill(database: Database, customers: int = 25) -> None:
    lines = town(customers=customers, products=40, weeks=WEEKS)
    await apply(database, [product(name) for name in lines["product_id"].unique().sort()])
    await apply(database, receipts(lines))


async def test_a_trained_model_is_judged_promoted_and_served(recommend: Running) -> None:
    await fill(recommend.database)
    await recommend.refresh()
    said: list[str] = []
    trained = await training_run.run(recommend.settings, NOW, said.append)
    assert trained.verdict.passed
    assert "receipts of 25 customers, 40 products" in said[1]
    assert any("in the four weeks after" in line and "(1 of " in line for line in said)
    assert set(trained.manifest.metrics) >= {"recall@10", "ndcg@10_full", "ndcg@10_min"}
    await until(lambda: _serves(recommend, trained.manifest.version), 20)
    answer = await recommend.recommend(identifier={"namespace": "loyalty_card", "value": "C003"}, limit=5)
    assert (answer["model_version"], answer["fallback_level"]) == (trained.manifest.version, 0)
    assert {item["source"] for item in answer["items"]} == {"ranked"}
    (listed,) = (await recommend.get("/v1/models")).json()["models"]
    assert (listed["in_use"], listed["metrics"]["recall@10"]["value"] > 0) == (True, True)


async def _serves(recommend: Running, version: str) -> bool:
    return bool(recommend.desk.live.now.recommender.model_version == version)


async def test_receipts_from_the_date_on_are_not_looked_at(migrated: Database) -> None:
    await fill(migrated, customers=5)
    cut = NOW - timedelta(days=50)
    dataset = await training_run.read_dataset(migrated, cut)
    later = await migrated.fetchval("SELECT count(*) FROM receipts WHERE occurred_at >= $1", cut)
    everything = await migrated.fetchval("SELECT count(*) FROM receipts")
    assert later > 0
    assert len(dataset.basket_ids) == everything - later


async def test_guests_are_left_out_of_training(migrated: Database) -> None:
    await apply(migrated, [bought("g1", None, 5, "milk"), bought("a1", subject("1"), 5, "milk")])
    dataset = await training_run.read_dataset(migrated, NOW)
    assert [UUID(each) for each in dataset.customer_ids] == [subject("1")]


async def test_too_little_data_is_said_and_nothing_is_stored(recommend: Running) -> None:
    with pytest.raises(TooLittleDataError):
        await training_run.run(recommend.settings, NOW, print)
    await apply(recommend.database, [bought("a1", subject("1"), 5, "milk")])
    with pytest.raises(TooLittleDataError):
        await training_run.run(recommend.settings, NOW, print)
    answer = (await recommend.get("/v1/models")).json()
    assert (answer["serving"], answer["models"]) == ("untrained", [])


def test_what_the_worker_imports_holds_no_machine_learning() -> None:
    looked_for = ("numpy", "scipy", "polars", "faiss", "lightgbm")
    script = f"import services.recommend.app, sys; print([name for name in {looked_for} if name in sys.modules])"
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
