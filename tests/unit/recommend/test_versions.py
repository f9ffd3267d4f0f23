"""A trained version is stored with its figures, promoted through the gate and served again."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.requests import Context, Placement, Request
from services.recommend.ranking.rankers import Rankers
from services.recommend.registry import SERVICE, load_model, promote, train_version
from services.recommend.serving.recommender import Recommender
from services.recommend.training.holdout import holdout
from services.recommend.training.origins import TooLittleDataError
from shared.registry import By, Registry
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipts_of, town

NOW = datetime(2026, 8, 1, tzinfo=UTC)
LINES = town()
AS_OF = days_since_epoch(day(200))


def test_version_is_trained_judged_promoted_and_served(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    saved = train_version(registry, *dataset(LINES), AS_OF, NOW, print)
    assert set(saved.metrics) == {
        "recall@10",
        "ndcg@10_full",
        "ndcg@10_min",
        "coverage@10",
        "score_ms",
        "basket.hit@10",
        "basket.hit@10_formula",
        "basket.mrr@20",
        "basket.mrr@20_formula",
    }
    assert all(metric.low <= metric.value <= metric.high for metric in saved.metrics.values())
    assert registry.current() is None
    assert promote(registry, saved.version, By()).passed
    model = load_model(registry, catalogue(60))
    asked = Request(Placement.FOR_YOU, Context(day(200)), customer_id="C001")
    answer = Recommender(model).recommend(asked, past_of(receipts_of(LINES, "C001", day(200))))
    assert (model.version, len(answer.items), answer.fallback_level) == (saved.version, 10, 0)


def test_untrained_formula_already_finds_habits() -> None:
    many, assortment = dataset(LINES)
    formula = holdout(many, assortment, Rankers(), AS_OF - 28).metrics(len(assortment))
    assert 0.1 < formula["recall@10"].value < 1


def test_two_months_are_too_little_to_train_on(tmp_path: Path) -> None:
    with pytest.raises(TooLittleDataError):
        train_version(Registry(tmp_path, SERVICE), *dataset(town(weeks=8)), days_since_epoch(day(56)), NOW, print)


def test_manifest_names_the_data_window(tmp_path: Path) -> None:
    saved = train_version(Registry(tmp_path, SERVICE), *dataset(LINES), AS_OF, NOW, print)
    until = datetime.fromisoformat(saved.window_until)
    assert abs(until - day(200)) < timedelta(seconds=1)
    assert saved.window_from < saved.window_until
    assert saved.parameters["objective"] == "binary"
    assert saved.parameters["nets"]["hidden"]
    assert saved.parameters["in_basket"]["rounds"] > 0
    assert saved.parameters["training_seconds"] > 0
    assert saved.parameters["training_cpu_seconds"] > 0
    assert saved.parameters["peak_memory_mb"] > 50


def test_the_manifest_has_figures_with_intervals_for_thirds_of_the_customers(tmp_path: Path) -> None:
    saved = train_version(Registry(tmp_path, SERVICE), *dataset(LINES), AS_OF, NOW, print)
    assert list(saved.segments) == ["light", "middle", "heavy"]
    for figures in saved.segments.values():
        assert set(figures) == {"recall@10", "ndcg@10_full", "ndcg@10_min"}
        assert all(metric.low <= metric.value <= metric.high for metric in figures.values())
    whole = saved.metrics["recall@10"].value
    assert min(each["recall@10"].value for each in saved.segments.values()) <= whole


def test_the_next_version_is_compared_with_the_one_in_use_on_the_same_baskets(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    learned = dataset(LINES)
    first = train_version(registry, *learned, AS_OF - 7, NOW, print)
    assert "ndcg@10_min_gain" not in first.metrics
    assert promote(registry, first.version, By()).passed
    second = train_version(registry, *learned, AS_OF, NOW + timedelta(days=7), print)
    assert second.parameters["compared_with"] == first.version
    gain = second.metrics["ndcg@10_min_gain"]
    assert gain.low <= gain.value <= gain.high
    assert "on the same baskets" in promote(registry, second.version, By()).reason


def test_an_earlier_training_is_not_compared_with_what_saw_later_receipts(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    learned = dataset(LINES)
    later = train_version(registry, *learned, AS_OF, NOW, print)
    assert promote(registry, later.version, By()).passed
    earlier = train_version(registry, *learned, AS_OF - 14, NOW + timedelta(days=1), print)
    assert earlier.parameters["compared_with"] is None
    verdict = promote(registry, earlier.version, By())
    assert not verdict.passed
    assert "to go back, roll back" in verdict.reason
