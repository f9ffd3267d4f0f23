"""What is evaluated apart: lists from a few baskets, anonymous sessions, and their printing."""

import json
from dataclasses import replace
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from regulars.cli.evaluate_recommend_parts import render_part
from regulars.evaluation.recommend.anonymous import OPEN, evaluate_anonymous
from regulars.evaluation.recommend.data import Evaluated, evaluated
from regulars.evaluation.recommend.new_customers import BASKETS, evaluate_new, last_baskets
from regulars.evaluation.recommend.next_basket import temporal_cut
from regulars.evaluation.recommend.parts import Part, evaluate_part
from regulars.evaluation.recommend.spread import evaluate_spread
from regulars.evaluation.recommend.vectors import evaluate_vectors, replicated
from tests.unit.recommend.factories import catalogue, dataset, town, with_amounts


@pytest.fixture(scope="module")
def data() -> Evaluated:
    return Evaluated("made up", *dataset(town(customers=25, weeks=30)))


def printed(report: dict[str, object]) -> str:
    text = StringIO()
    render_part(report, Console(file=text, width=200))
    return text.getvalue()


def test_last_baskets_are_all_that_is_known(data: Evaluated) -> None:
    cut = float(data.dataset.at.max())
    mine = last_baskets(data.dataset, 0, cut, 2)
    whole = data.dataset.history(0, cut)
    assert mine.basket_count == 2
    assert mine.basket_at.tolist() == whole.basket_at[-2:].tolist()
    assert set(mine.products.tolist()) <= set(whole.products.tolist())
    assert last_baskets(data.dataset, 0, cut, 0).products.size == 0


def test_every_number_of_baskets_is_judged_beside_popularity(data: Evaluated) -> None:
    report = evaluate_new(data)
    assert set(report["groups"]) == {f"last {count} baskets" for count in BASKETS}
    assert set(report["groups"]["last 0 baskets"]["metrics"]) == {"popularity", "popularity_in_store"}
    three = report["groups"]["last 3 baskets"]
    assert three["metrics"]["formula"]["recall@10"] > three["metrics"]["popularity"]["recall@10"]
    assert "last 3 baskets" in printed(report)
    json.dumps(report)


def test_anonymous_sessions_are_completed_by_each_generator(data: Evaluated) -> None:
    report = evaluate_anonymous(data)
    assert set(report["groups"]) == set(OPEN)
    whole = report["groups"]["all but one open"]["metrics"]
    assert {"open-basket ranker", "popularity", "basket_items", "vsknn", "associations"} <= set(whole)
    assert all(0 <= figures["hit@10"] <= 1 for figures in whole.values())
    assert "all but one open" in printed(report)


def test_nothing_of_the_weeks_that_the_test_predicts_is_looked_at(data: Evaluated) -> None:
    cut = temporal_cut(data.dataset)
    lines = data.dataset.at.repeat(data.dataset.sizes) < cut
    shuffled = np.where(lines, data.dataset.product, data.dataset.product[::-1])
    other = replace(data, dataset=replace(data.dataset, product=shuffled))
    assert evaluate_anonymous(other) == evaluate_anonymous(data)


def test_levels_of_diversity_are_compared_on_earlier_weeks(data: Evaluated) -> None:
    report = evaluate_spread(data, moments=1)
    (levels,) = report["spread"].values()
    assert set(levels) == {"off", "low", "medium", "high"}
    assert levels["medium"]["types@10"] >= levels["off"]["types@10"]
    text = printed(report)
    assert "different_types@10" in text
    assert "medium" in text
    json.dumps(report)


def test_spreading_is_chosen_without_a_look_at_the_weeks_that_the_test_predicts(data: Evaluated) -> None:
    cut = temporal_cut(data.dataset)
    lines = data.dataset.at.repeat(data.dataset.sizes) < cut
    shuffled = np.where(lines, data.dataset.product, data.dataset.product[::-1])
    other = replace(data, dataset=replace(data.dataset, product=shuffled))
    assert evaluate_spread(other, moments=1) == evaluate_spread(data, moments=1)


def test_offers_are_judged_where_prices_are_known(data: Evaluated) -> None:
    assert "offers first" not in evaluate_new(data)["groups"]["last 0 baskets"]["metrics"]
    priced = evaluated("priced", with_amounts(town(customers=25, weeks=30)), catalogue(60))
    groups = evaluate_new(priced)["groups"]
    assert {"offers first", "offers count double"} <= set(groups["last 0 baskets"]["metrics"])


def test_searches_are_measured_at_every_size(data: Evaluated) -> None:
    report = evaluate_vectors(data, sizes=(50, 700))
    assert list(report["sizes"]) == ["50", "700"]
    for rows in report["sizes"].values():
        assert [row["kind"] for row in rows] == ["flat", "inverted file", "graph"]
        assert rows[0]["recall"] == 1
        assert all(0 < row["recall"] <= 1 and row["memory_mb"] > 0 for row in rows)
    assert "700 vectors" in printed(report)


def test_copies_stand_by_their_originals() -> None:
    originals = np.eye(8, 16, dtype=np.float32)
    made = replicated(originals, 24)
    assert np.array_equal(made[:8], originals)
    assert np.allclose(np.linalg.norm(made, axis=1), 1)
    assert (made @ originals.T).argmax(axis=1).tolist() == [*range(8)] * 3


def test_due_is_printed_for_a_person(data: Evaluated) -> None:
    report = evaluate_part(data, Part.DUE, lambda _: None)
    assert isinstance(report, dict)
    text = printed(report)
    assert "says due" in text
    assert "days off" in text
    assert np.isfinite(report["levels"]["product"]["horizons"]["7"]["brier"]["learned"])
