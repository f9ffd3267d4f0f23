"""The offline evaluation: figures by hand, protocols on a made-up town, the report's keys."""

import json
from io import StringIO
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from rich.console import Console

from regulars.cli.evaluate_recommend import render
from regulars.evaluation.ranking_metrics import (
    METRICS,
    figures,
    intervals,
    means,
    paired_differences,
    relative_changes,
)
from regulars.evaluation.recommend.data import Evaluated, TooFewLinesError, common_before, evaluated, load
from regulars.evaluation.recommend.lists import Protocol
from regulars.evaluation.recommend.next_basket import temporal_cut
from regulars.evaluation.recommend.report import Report
from regulars.evaluation.recommend.run import evaluate
from regulars.evaluation.recommend.segments import segments
from services.recommend.history import Ints
from tests.unit.recommend.factories import catalogue, town

KEYS = {
    "protocol",
    "users",
    "items",
    "mean_target_size",
    "metrics",
    "metrics_store_known",
    "baselines",
    "diversity",
    "intervals",
    "seconds",
    "peak_memory_mb",
}


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


@pytest.fixture(scope="module")
def small_town() -> Evaluated:
    return evaluated("town", town(), catalogue(60))


def test_figures_by_hand() -> None:
    """Hits at ranks 1 and 3 of a basket of four, one of them a repeat."""
    found = dict(zip(METRICS, figures(ints(1, 9, 2, *range(20, 37)), ints(1, 2, 3, 4), ints(1, 3)), strict=True))
    gain = 1 + 1 / np.log2(4)
    ideal = 1 + 1 / np.log2(3) + 1 / np.log2(4) + 1 / np.log2(5)
    assert found["recall@10"] == found["recall@20"] == 0.5
    assert found["ndcg@10_full"] == found["ndcg@10_min"] == pytest.approx(gain / ideal)
    assert (found["recall_repeat@10"], found["recall_new@10"]) == (0.5, 0.5)
    assert (found["hit@10"], found["mrr@20"]) == (1.0, 1.0)


def test_denominators_part_past_ten_products() -> None:
    found = dict(zip(METRICS, figures(ints(*range(20)), ints(*range(15)), ints()), strict=True))
    assert found["ndcg@10_min"] == pytest.approx(1.0)
    assert found["ndcg@10_full"] < 1
    assert np.isnan(found["recall_repeat@10"])


def test_means_leave_out_the_undefined() -> None:
    rows = np.full((2, len(METRICS)), 0.5)
    rows[0, METRICS.index("recall_repeat@10")] = np.nan
    assert means(rows)["recall_repeat@10"] == 0.5


def test_paired_interval_of_a_constant_gain_is_that_gain() -> None:
    rows = np.random.default_rng(0).random((50, len(METRICS)))
    difference = paired_differences(rows + 0.1, {"other": rows})["other"]["recall@10"]
    assert difference == pytest.approx([0.1, 0.1, 0.1])
    low, high = intervals(rows)["recall@10"]
    assert low < rows[:, 0].mean() < high


def test_cut_is_the_last_28_whole_days(small_town: Evaluated) -> None:
    cut = temporal_cut(small_town.dataset)
    assert cut == int(cut)
    assert 28 <= small_town.dataset.at.max() - cut < 29


@pytest.fixture(scope="module")
def reports(small_town: Evaluated) -> dict[Protocol, Report]:
    return {protocol: evaluate(small_town, protocol) for protocol in Protocol}


@pytest.mark.parametrize("protocol", list(Protocol))
def test_every_protocol_reports_every_key(reports: dict[Protocol, Report], protocol: Protocol) -> None:
    report = reports[protocol]
    found = json.loads(json.dumps(report.to_json()))
    assert set(found) >= KEYS
    assert set(found["metrics"]) == set(METRICS)
    assert found["users"] == 40
    known = {"popularity", "personal_top"}
    if protocol is not Protocol.COMPLETION:
        known |= {"tifu_knn", "up_cf", "user_cf", "item_cf", "ease", "ials"}
    assert known <= set(found["baselines"])
    assert set(found["intervals"]["differences"]) == set(found["baselines"])
    assert set(found["segments"]) <= {"light", "middle", "heavy"}
    assert sum(part["lists"] for part in found["segments"].values()) >= 40
    for low, high in found["intervals"]["metrics"].values():
        assert low <= high
    text = StringIO()
    render(report, Console(file=text, width=220))
    assert protocol.value in text.getvalue()


def test_discover_recommends_nothing_bought_before(reports: dict[Protocol, Report]) -> None:
    report = reports[Protocol.DISCOVER]
    assert report.metrics["recall_repeat@10"] == 0
    assert report.last_basket is not None
    assert report.last_basket["metrics"]["recall_repeat@10"] == 0


def test_filter_keeps_regular_customers_and_common_products() -> None:
    lines = town()
    rare = lines.head(1).with_columns(pl.lit("rare").alias("product_id"))
    visitor = lines.head(3).with_columns(pl.lit("visitor").alias("customer_id"), pl.lit("once").alias("basket_id"))
    kept = evaluated("town", pl.concat([lines, rare, visitor]), {}).dataset
    assert "rare" not in kept.product_ids
    assert "visitor" not in kept.customer_ids


def test_file_of_another_chain_works(tmp_path: Path) -> None:
    path = tmp_path / "lines.csv"
    town().rename({"at": "timestamp"}).drop("store_id").write_csv(path)
    report = evaluate(load(str(path)), Protocol.TEMPORAL)
    assert report.users == 40
    assert report.metrics["recall@10"] > report.baselines["popularity"]["recall@10"]


def test_nothing_left_after_the_filter_is_said() -> None:
    with pytest.raises(TooFewLinesError, match="no line is left"):
        evaluated("tiny", town(customers=1, weeks=2), {})


def test_products_common_only_later_fall_away_with_the_filter_over_the_history() -> None:
    lines = town()
    cut = temporal_cut(evaluated("town", lines, {}).dataset)
    late = lines.filter(pl.col("at").dt.epoch("us") >= int(cut * 86_400e6)).unique("basket_id").head(12)
    fresh = late.with_columns(pl.lit("fresh").alias("product_id"))
    data = evaluated("town", pl.concat([lines, fresh]), catalogue(60))
    before = common_before(data, cut)
    assert "fresh" in data.dataset.product_ids
    assert "fresh" not in before.dataset.product_ids
    assert len(before.assortment) == len(before.dataset.product_ids)
    assert before.dataset.line_starts[-1] == before.dataset.product.size
    for customer in range(len(data.dataset.customer_ids)):
        was, now = (each.dataset.history(customer, cut) for each in (data, before))
        names = [data.dataset.product_ids[product] for product in was.products]
        assert [before.dataset.product_ids[product] for product in now.products] == names


def test_nothing_common_before_the_cut_is_said(small_town: Evaluated) -> None:
    with pytest.raises(TooFewLinesError, match="no product is in 10 baskets"):
        common_before(small_town, float(small_town.dataset.at.min()))


def test_lists_of_one_customer_are_drawn_together() -> None:
    """Ten equal lists of one customer are as sure as one of them."""
    rows = np.repeat(np.random.default_rng(0).random((30, len(METRICS))), 10, axis=0)
    owners = np.repeat(np.arange(30), 10)
    low, high = intervals(rows, owners)["recall@10"]
    once = intervals(rows[::10])["recall@10"]
    assert [low, high] == pytest.approx(once)
    naive = intervals(rows)["recall@10"]
    assert high - low > 2 * (naive[1] - naive[0])


def test_levels_of_diversity_say_what_they_bring_and_cost(reports: dict[Protocol, Report]) -> None:
    levels = reports[Protocol.TEMPORAL].diversity_levels
    assert set(levels) == {"off", "low", "medium", "high"}
    assert levels["off"]["differences"]["recall@10"] == [0, 0, 0]
    assert all(change == [0, 0, 0] for change in levels["off"]["changes"].values())
    assert [levels[name]["types@10"] for name in levels] == sorted(levels[name]["types@10"] for name in levels)
    assert levels["medium"]["different_types@10"] > levels["off"]["different_types@10"]
    for level in levels.values():
        for figure, (value, low, high) in level["changes"].items():
            found, before = ({**each["metrics"], **each}[figure] for each in (level, levels["off"]))
            assert value == pytest.approx(found / before - 1)
            assert low <= value <= high


def test_changes_are_of_the_means_and_customers_are_drawn_in_pairs() -> None:
    before = np.random.default_rng(0).random((60, 2)) + 0.5
    found = relative_changes(("a", "b"), before * [1.1, 1.0], before)
    assert found["a"] == pytest.approx([0.1, 0.1, 0.1])
    assert found["b"] == pytest.approx([0, 0, 0])


def test_change_from_nothing_is_none() -> None:
    assert relative_changes(("a",), np.ones((3, 1)), np.zeros((3, 1))) == {"a": [0.0, 0.0, 0.0]}


def test_segments_part_customers_by_what_they_had_bought() -> None:
    rows = np.random.default_rng(0).random((90, len(METRICS)))
    before = np.arange(90)
    found = segments(rows, {"other": rows}, before, before)
    assert [part["lists"] for part in found.values()] == [30, 30, 30]
    assert found["light"]["baskets_before"] == [0, 29]
    assert found["heavy"]["differences"]["other"]["recall@10"] == [0, 0, 0]


def test_equal_customers_are_one_segment() -> None:
    rows = np.random.default_rng(0).random((9, len(METRICS)))
    found = segments(rows, {}, np.full(9, 4), np.arange(9))
    assert [part["lists"] for part in found.values()] == [9]
    assert segments(rows[:2], {}, np.full(2, 4), np.arange(2)) == {}
