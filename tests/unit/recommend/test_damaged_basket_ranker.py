"""A version whose ranker of open baskets is damaged does not come into use, however the damage came."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from services.recommend.gate import COMPARED_WITH
from services.recommend.history import Floats, Matrix
from services.recommend.model import Model, files_of, untrained
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.ranker import Examples, Ranker, fit
from services.recommend.registry import SERVICE, promote
from services.recommend.training import in_basket
from services.recommend.training.comparison import in_basket_compared
from services.recommend.training.holdout import GATE_METRIC
from services.recommend.training.in_basket import BASKET_GAIN, BASKET_METRIC, Judged, World, world_at
from shared.registry import By, Manifest, Metric, Registry
from tests.unit.recommend.factories import dataset, town

PRODUCTS = 30
LEARNED, ASSORTMENT = dataset(town(customers=25, products=PRODUCTS, weeks=16, seed=3))
CREATED = "2026-11-22T03:00:00+00:00"


class Damaged(Ranker):
    """A fitted ranker that puts the likeliest last."""

    def score(self, features: Matrix) -> Floats:
        return -super().score(features)


@pytest.fixture(scope="module")
def world() -> World:
    return world_at(LEARNED, ASSORTMENT, float(LEARNED.at.max()) - 28, ease_products=PRODUCTS)


@pytest.fixture(scope="module")
def good(world: World) -> Judged:
    judged = in_basket_compared(world, None)
    assert judged is not None
    return judged


@pytest.fixture
def damage(monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(examples: Examples, rounds: int | None = None, **parameters: Any) -> Ranker:
        return Damaged(fit(examples, rounds, **parameters)._booster)

    monkeypatch.setattr(in_basket, "fit", damaged)


def model_of(ranker: Ranker | None) -> Model:
    return replace(untrained(ASSORTMENT), in_basket=BasketRanker(ranker))


def stored(registry: Registry, judged: Judged, second: int, compared_with: str | None, ranker: Ranker) -> str:
    """A version that is as good as any for the next basket."""
    created_at = CREATED.replace(":00+", f":{second:02d}+")
    metrics = {GATE_METRIC: Metric(0.2, 0.2, 0.2), **judged.metrics()}
    parameters = {COMPARED_WITH: compared_with}
    manifest = Manifest(SERVICE, created_at, CREATED, created_at, "code", parameters, metrics)
    return registry.save(manifest, files_of(model_of(ranker))).version


@pytest.fixture
def registry(tmp_path: Path, good: Judged) -> Registry:
    """A registry with the good version in use."""
    found = Registry(tmp_path, SERVICE)
    version = stored(found, good, 1, None, good.ranker)
    assert promote(found, version, By()).passed
    return found


@pytest.mark.usefixtures("damage")
def test_a_damaged_ranker_that_would_serve_is_refused_and_the_figure_is_named(
    world: World, good: Judged, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where nothing noticed that it finds less than the formula."""
    monkeypatch.setattr(Judged, "kept", property(lambda judged: judged.ranker))
    judged = in_basket_compared(world, model_of(good.ranker))
    assert judged is not None
    assert judged.metrics()[BASKET_GAIN].high < 0
    version = stored(registry, judged, 2, registry.current(), good.ranker)
    before = registry.current()
    verdict = promote(registry, version, By())
    assert not verdict.passed
    assert f"{BASKET_METRIC} " in verdict.reason
    assert "on the same baskets" in verdict.reason
    assert registry.current() == before
    assert registry.changes()[-1].action == "refused"


@pytest.mark.usefixtures("damage")
def test_a_damaged_ranker_is_not_kept_and_what_serves_in_its_place_is_what_is_compared(
    world: World, good: Judged
) -> None:
    judged = in_basket_compared(world, model_of(good.ranker))
    assert judged is not None
    assert judged.kept is None
    figures = judged.metrics()
    assert figures[BASKET_METRIC] == figures[f"{BASKET_METRIC}_formula"]
    hits = [float((places < 10).mean()) for places in (judged.formula_places, good.served_places)]
    assert figures[BASKET_GAIN].value == pytest.approx(hits[0] - hits[1])


def test_the_same_ranker_is_judged_on_the_same_baskets_without_any_difference(world: World, good: Judged) -> None:
    judged = in_basket_compared(world, model_of(good.kept))
    assert judged is not None
    assert judged.in_use_places is not None
    np.testing.assert_array_equal(judged.in_use_places, good.served_places)
    assert judged.metrics()[BASKET_GAIN] == Metric(0.0, 0.0, 0.0)


def test_a_basket_that_is_judged_was_learned_from_by_no_training_of_other_weeks(world: World) -> None:
    """Else what is in use would be compared on baskets that it has seen."""
    other = world_at(LEARNED, ASSORTMENT, world.knowledge.as_of - 7, ease_products=PRODUCTS)
    judged = [_baskets(world, rest=True), _baskets(other, rest=True)]
    learned = [_baskets(world, rest=False), _baskets(other, rest=False)]
    assert judged[0] & judged[1]
    assert not judged[0] & learned[1]
    assert not judged[1] & learned[0]


def _baskets(world: World, *, rest: bool) -> set[str]:
    exam = in_basket.exam_of(world)
    judged = {each.target.basket for each in exam.rest}
    everything = np.ones(len(LEARNED.product_ids), np.bool_)
    since = world.knowledge.as_of
    hidden = {
        each.target.basket
        for each in in_basket.hidden_products(LEARNED, since, everything, in_basket.TRAINING_BASKETS)
    }
    return {LEARNED.basket_ids[basket] for basket in (judged if rest else hidden - judged)}


def test_a_ranker_in_use_of_other_features_is_not_compared(world: World) -> None:
    class Other(Ranker):
        def score(self, features: Matrix) -> Floats:
            raise ValueError("3 features given, 90 learned")

    judged = in_basket_compared(world, model_of(Other.__new__(Other)))
    assert judged is not None
    assert judged.in_use_places is None
    assert BASKET_GAIN not in judged.metrics()
