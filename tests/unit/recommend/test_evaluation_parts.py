"""What is evaluated apart: lists from a few baskets, anonymous sessions, and their printing."""

import json
from io import StringIO

import numpy as np
import pytest
from rich.console import Console

from regulars.cli.evaluate_recommend_parts import render_part
from regulars.evaluation.recommend.anonymous import OPEN, evaluate_anonymous
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.new_customers import BASKETS, evaluate_new, last_baskets
from regulars.evaluation.recommend.parts import Part, evaluate_part
from tests.unit.recommend.factories import dataset, town


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
    assert {"popularity", "basket_items", "vsknn", "associations"} <= set(whole)
    assert all(0 <= figures["hit@10"] <= 1 for figures in whole.values())
    assert "all but one open" in printed(report)


def test_due_is_printed_for_a_person(data: Evaluated) -> None:
    report = evaluate_part(data, Part.DUE, lambda _: None)
    assert isinstance(report, dict)
    text = printed(report)
    assert "says due" in text
    assert "days off" in text
    assert np.isfinite(report["levels"]["product"]["horizons"]["7"]["brier"]["learned"])
