"""Judging "due": figures of probabilities, and a whole run on shoppers whose gaps are known."""

import numpy as np
import pytest

from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.due import auc, calibration_error, evaluate_due, reliability
from services.recommend.assortment import assortment_of
from services.recommend.domain.products import Product
from services.recommend.training.dataset import dataset_of
from services.recommend.training.origins import TooLittleDataError
from tests.unit.recommend.test_rhythm import shoppers


def test_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    assert auc(np.array([True, False, False]), np.array([3.0, 1.0, 2.0])) == 1.0
    assert auc(np.array([True, False]), np.array([1.0, 1.0])) == 0.5
    assert np.isnan(auc(np.array([True, True]), np.array([1.0, 2.0])))


def test_calibration_error_is_none_where_what_was_said_came_true() -> None:
    chance = np.repeat([0.0, 1.0], 50)
    assert calibration_error(chance > 0, chance) == 0.0
    assert calibration_error(chance == 0, chance) == 1.0


def test_reliability_goes_from_improbable_to_probable() -> None:
    table = reliability(np.array([False] * 9 + [True]), np.linspace(0, 0.9, 10), bins=2)
    assert [row["rows"] for row in table] == [5, 5]
    assert table[1]["bought"] == pytest.approx(0.2)
    assert table[0]["said"] < table[1]["said"]


def test_learned_rhythms_beat_plain_gaps_on_shoppers_with_log_normal_gaps() -> None:
    lines = dataset_of(shoppers(customers=80, weeks=44))
    types = {name: Product(name, product_type=f"type {int(name[1:]) % 3}") for name in lines.product_ids}
    report = evaluate_due(Evaluated("made up", lines, assortment_of(lines.product_ids, types)))
    assert set(report["levels"]) == {"product", "product_type"}
    fortnight = report["levels"]["product"]["horizons"]["14"]
    assert fortnight["brier"]["learned"] < fortnight["brier"]["base_rate"]
    assert fortnight["auc"]["learned"] > 0.6
    assert fortnight["ece"]["learned"] < 0.1
    assert report["levels"]["product"]["dates"]["median_days_off"]["learned"][0] < 20


def test_short_data_say_what_is_needed() -> None:
    lines = dataset_of(shoppers(customers=10, weeks=8))
    with pytest.raises(TooLittleDataError, match="weeks of receipts"):
        evaluate_due(Evaluated("made up", lines, assortment_of(lines.product_ids, {})))
