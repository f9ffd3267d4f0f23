"""Training from the facts in PostgreSQL: stored, judged, promoted, and picked up by the next scoring."""

from datetime import UTC, date, datetime, timedelta

import pytest

from services.churn import rule
from services.churn.handlers.scoring import load_model, score_customers
from services.churn.handlers.training import train
from services.churn.training import NotEnoughHistory, TrainingSettings
from shared.db import Database
from shared.registry import Manifest, Registry, Verdict
from tests.integration.churn.shops import LAST_DAY, NOW, POLICY, apply, receipt, sales_of, shopper, shoppers_who_leave

pytestmark = pytest.mark.postgres

SETTINGS = TrainingSettings(
    rounds=30, hazard_rounds=60, rows_per_leaf_min=50, spacing_days=28, positives_for_trees_min=100
)
AT = datetime(2026, 3, 30, 6, 0, tzinfo=UTC)


async def trained(
    database: Database, registry: Registry, as_of: date | None = None, at: datetime = AT
) -> tuple[str, Verdict, list[str]]:
    lines: list[str] = []
    found = await train(
        database,
        registry,
        as_of=as_of,
        at=at,
        currency="USD",
        category_level=2,
        progress=lines.append,
        settings=SETTINGS,
    )
    return found.manifest.version, found.verdict, lines


def by_hand(_candidate: Manifest, _in_use: Manifest | None) -> Verdict:
    return Verdict(passed=True, reason="test")


async def model_used(database: Database, registry: Registry) -> str:
    result = await score_customers(database, registry, POLICY, as_of=LAST_DAY, at=NOW)
    version: str = result["model_version"]
    return version


async def scores(database: Database) -> list[object]:
    rows = await database.fetch("SELECT customer_id, lost_by_week, reasons FROM scores ORDER BY customer_id")
    return [tuple(row) for row in rows]


async def test_without_receipts_nothing_is_trained(database: Database, registry: Registry) -> None:
    with pytest.raises(NotEnoughHistory, match="no receipts"):
        await trained(database, registry)


async def test_guests_alone_teach_nothing(database: Database, registry: Registry) -> None:
    await apply(database, receipt(subject_kind="guest", subject_id=shopper(1)))
    with pytest.raises(NotEnoughHistory, match="known customer"):
        await trained(database, registry)


async def test_a_short_history_is_refused_and_the_rule_goes_on(database: Database, registry: Registry) -> None:
    await apply(database, *sales_of(1, [LAST_DAY - timedelta(days=7 * back) for back in range(5)]))
    with pytest.raises(NotEnoughHistory, match="days of history"):
        await trained(database, registry)
    assert await model_used(database, registry) == rule.VERSION


async def test_a_trained_model_is_used_from_the_next_scoring_once_promoted_and_rolled_back(
    database: Database, registry: Registry
) -> None:
    events = shoppers_who_leave()
    for start in range(0, len(events), 2000):
        await apply(database, *events[start : start + 2000])

    assert await model_used(database, registry) == rule.VERSION
    first, verdict, lines = await trained(database, registry, LAST_DAY - timedelta(days=28))
    assert "visits of" in lines[0]
    assert not verdict.passed  # Invented shoppers are not what the gate's calibration expects.
    assert "calibration" in verdict.reason
    assert await model_used(database, registry) == rule.VERSION
    registry.promote(first, by_hand)
    assert await model_used(database, registry) == first
    by_first = await scores(database)

    second, verdict, _ = await trained(database, registry, at=AT + timedelta(days=1))
    assert second != first
    assert registry.current() == (second if verdict.passed else first)
    registry.promote(second, by_hand)
    assert await model_used(database, registry) == second
    assert await scores(database) != by_first

    assert registry.rollback() == first
    assert await model_used(database, registry) == first
    assert await scores(database) == by_first

    manifest = registry.load(first).manifest
    assert 0.5 < manifest.metrics["lost8w.auc"].value < 1
    assert manifest.window_until == (LAST_DAY - timedelta(days=28)).isoformat()
    assert date.fromisoformat(manifest.parameters["held_out_from"]) == LAST_DAY - timedelta(days=28 + 55)


async def test_a_model_of_other_features_gives_way_to_the_rule(registry: Registry) -> None:
    manifest = Manifest("churn", AT.isoformat(), "2025-01-01", "2026-01-01", code_version="features-0")
    registry.promote(registry.save(manifest, {"hazard.txt": b"tree"}).version, by_hand)
    assert load_model(registry)[0] == rule.VERSION
