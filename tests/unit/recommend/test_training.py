"""Training sees the past only, through the features that serve."""

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from services.recommend.assortment import Assortment
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.generators.item_vectors import ItemIndex
from services.recommend.generators.vector_index import fastest
from services.recommend.knowledge import Knowledge, learn
from services.recommend.model import Model, files_of, model_of, with_catalogue
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES, features_at, prepare, prepared
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.fitting import train
from services.recommend.training.origins import (
    TooLittleDataError,
    origin_at,
    origin_before_last,
    shoppers,
    training_cuts,
)
from shared.registry import Manifest, Registry
from tests.unit.recommend.factories import catalogue, dataset, day, past_of, receipts_of, town

LINES = town()
CUT_AT = day(150)
CUT = days_since_epoch(CUT_AT)


@pytest.fixture(scope="module")
def built() -> tuple[Dataset, Assortment]:
    return dataset(LINES)


@pytest.fixture(scope="module")
def knowledge(built: tuple[Dataset, Assortment]) -> Knowledge:
    return learn(*built, CUT)


@pytest.fixture(scope="module")
def model(built: tuple[Dataset, Assortment]) -> Model:
    return train(*built, CUT)


def test_features_are_equal_bit_by_bit_in_training_and_serving(
    built: tuple[Dataset, Assortment], knowledge: Knowledge
) -> None:
    many, assortment = built
    for target, trained in shoppers(many, knowledge, origin_at(many, CUT)):
        past = past_of(receipts_of(LINES, many.customer_ids[target.customer], CUT_AT))
        history = past.history(assortment.index, knowledge.stores)
        served = prepare(history, knowledge, target.customer)
        one = prepared(trained, candidates_of(trained, knowledge.popularity), knowledge)
        assert one.candidates.tolist() == served.candidates.tolist()
        for store in (-1, 0):
            assert np.array_equal(features_at(one, CUT, store), features_at(served, CUT, store), equal_nan=True)


def test_feature_rows_have_the_names_they_say(built: tuple[Dataset, Assortment], knowledge: Knowledge) -> None:
    _, shopper = next(shoppers(built[0], knowledge, origin_at(built[0], CUT)))
    visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
    assert features_at(visit, CUT).shape == (visit.candidates.size, len(FEATURE_NAMES))
    assert features_at(visit, CUT, 0).shape[1] == len(FEATURE_NAMES) + len(STORE_NAMES)
    assert len(set(FEATURE_NAMES)) == len(FEATURE_NAMES)


def noisy_after(lines: pl.DataFrame, cut: datetime) -> pl.DataFrame:
    """The same receipts with products and stores of all later ones shuffled, and their times moved."""
    late = pl.col("at") >= cut
    draw = np.random.default_rng(3)
    products = pl.Series(draw.permutation(lines["product_id"].to_numpy()).astype(str))
    stores = pl.Series(draw.permutation(lines["store_id"].to_numpy()).astype(str))
    return lines.with_columns(
        pl.when(late).then(products).otherwise("product_id").alias("product_id"),
        pl.when(late).then(stores).otherwise("store_id").alias("store_id"),
        pl.when(late).then(pl.col("at") + pl.duration(days=2)).otherwise("at").alias("at"),
    )


def test_noise_in_later_rows_changes_no_candidate_and_no_feature(built: tuple[Dataset, Assortment]) -> None:
    rows = []
    for lines in (LINES, noisy_after(LINES, CUT_AT)):
        many, assortment = built[0] if lines is LINES else dataset_of(lines), built[1]
        assert many.product_ids == built[0].product_ids
        known = learn(many, assortment, CUT)
        origin = origin_at(many, CUT, horizon_days=1e9)
        found = [(target.customer, shopper) for target, shopper in shoppers(many, known, origin)]
        seen = [prepared(shopper, candidates_of(shopper, known.popularity), known) for _, shopper in found]
        rows.append(([visit.candidates for visit in seen], [features_at(visit, CUT) for visit in seen]))
    for left, right in zip(rows[0][0], rows[1][0], strict=True):
        assert left.tolist() == right.tolist()
    for one, other in zip(rows[0][1], rows[1][1], strict=True):
        assert np.array_equal(one, other, equal_nan=True)


def test_last_basket_history_ends_before_the_target(built: tuple[Dataset, Assortment]) -> None:
    many = built[0]
    for target in origin_before_last(many).targets:
        history = many.history(target.customer, target.now)
        assert history.basket_at[-1] < many.at[target.basket]
        assert target.basket == many.basket_starts[target.customer + 1] - 1
        assert history.basket_count == 29


def test_training_cuts_leave_their_targets_before_the_test(built: tuple[Dataset, Assortment]) -> None:
    many = built[0]
    for cut in training_cuts(many, CUT):
        assert cut + 28 <= CUT
        assert all(cut <= many.at[target.basket] < CUT for target in origin_at(many, cut).targets)


def test_too_short_a_history_is_refused(built: tuple[Dataset, Assortment]) -> None:
    with pytest.raises(TooLittleDataError, match="12 weeks"):
        training_cuts(built[0], float(built[0].at.min()) + 60)


def test_trained_ranker_puts_habits_first(built: tuple[Dataset, Assortment], model: Model) -> None:
    many, knowledge = built[0], model.knowledge
    ours, theirs = 0, 0
    for target, shopper in shoppers(many, knowledge, origin_at(many, CUT)):
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        order = np.argsort(-model.rankers.scores(visit, target.now, -1), kind="stable")
        wanted = many.basket(target.basket)
        ours += int(np.isin(visit.candidates[order[:5]], wanted).sum())
        popular = np.argsort(-knowledge.popularity.chain[1], kind="stable")[:5]
        theirs += int(np.isin(popular, wanted).sum())
    assert ours > 1.5 * theirs


def test_model_survives_the_registry_unchanged(model: Model, tmp_path: Path) -> None:
    registry = Registry(tmp_path, "recommend")
    blank = Manifest("recommend", "2026-11-22T10:00:00+00:00", "", "", "")
    saved = registry.save(blank, files_of(model))
    read = model_of(registry.load(saved.version).files, catalogue(60), saved.version)
    assert read.version == saved.version
    assert np.array_equal(read.knowledge.sized.weights, model.knowledge.sized.weights)
    assert np.array_equal(read.items.vectors, model.items.vectors)
    assert read.knowledge.assortment.ids == model.knowledge.assortment.ids
    assert read.rankers.strict is not None
    assert model.rankers.strict is not None
    rows = np.random.default_rng(0).random((5, len(FEATURE_NAMES))).astype(np.float32)
    assert read.rankers.strict.score(rows).tolist() == model.rankers.strict.score(rows).tolist()


def test_new_products_follow_those_of_training(model: Model) -> None:
    grown = with_catalogue(model, catalogue(70))
    assert grown.knowledge.assortment.ids[:60] == model.knowledge.assortment.ids
    assert len(grown.knowledge.assortment) == 70
    assert grown.items.vectors.shape[0] == 70


def test_ranker_refuses_rows_of_another_shape(model: Model) -> None:
    assert model.rankers.strict is not None
    with pytest.raises(ValueError, match="features given"):
        model.rankers.strict.score(np.zeros((1, 3), np.float32))


def test_data_without_stores_trains_no_store_ranker(built: tuple[Dataset, Assortment]) -> None:
    many = dataset_of(LINES.with_columns(pl.lit("").alias("store_id")))
    assert train(many, built[1], CUT).rankers.in_store is None


def test_approximate_index_is_stored_with_its_version_and_grows_with_the_catalogue(model: Model) -> None:
    approximated = replace(model, items=ItemIndex(fastest(model.items.vectors, flat_max=10)))
    measured = approximated.items.index.measured
    assert measured is not None
    read = model_of(files_of(approximated), catalogue(70), "V1")
    assert read.items.index.measured == measured
    assert read.items.index.beside == 10
    assert read.items.vectors.shape[0] == 70
