import json
from dataclasses import replace
from typing import Any

import numpy as np
import polars as pl
import pytest
import typer
from rich.console import Console

from regulars.cli.evaluate_churn import evaluate_churn, without_nan
from regulars.evaluation import churn_alerts
from regulars.evaluation.churn import evaluate
from regulars.evaluation.churn_cdnow import evaluate_cdnow
from regulars.evaluation.churn_data import ChurnData, churn_data
from regulars.evaluation.churn_text import render
from services.churn.training import FeatureHistory, NotEnoughHistory
from tests.unit.churn.conftest import DAYS, SETTINGS, visits_on

CUSTOMERS = 250


@pytest.fixture(scope="module")
def report(shop: FeatureHistory) -> dict[str, Any]:
    some = shop.visits.of_customers(np.arange(CUSTOMERS))
    data = ChurnData("shop", some, tuple(map(str, range(CUSTOMERS))), 6, DAYS)
    settings = replace(SETTINGS, positives_for_trees_min=40, rounds=20, hazard_rounds=40, spacing_days=42)
    result: dict[str, Any] = without_nan(evaluate(data, rounds=3, settings=settings))
    return result


def test_the_report_has_the_promised_keys_and_is_plain_json(report: dict[str, Any]) -> None:
    json.dumps(report, allow_nan=False)
    label = {"auc", "ap", "lift10", "brier", "ece", "base"}
    assert all(label <= report["labels"][name].keys() for name in ("lapse28", "own42", "partial56"))
    assert {"auc", "precision@3", "precision@5"} <= report["early"].keys()
    assert {"useful_precision", "recall_lead14", "median_lead_days"} <= report["alerts"].keys()
    assert {"ibs", "c_index", "week_error"} <= report["when"].keys()
    assert "lost_spend_top10" in report["value"]
    for baseline in report["baselines"].values():
        assert baseline.keys() == {"labels", "early", "alerts"}


def test_origins_keep_their_distance_from_the_end_of_the_data(report: dict[str, Any]) -> None:
    assert report["origins"]["lapse28"] == [DAYS - 85, DAYS - 57, DAYS - 29]


def test_the_model_foresees_the_planted_losses_better_than_the_rules(report: dict[str, Any]) -> None:
    early = {name: baseline["early"]["own_limit"]["auc"] for name, baseline in report["baselines"].items()}
    assert report["early"]["own_limit"]["auc"] > max(early["recency"], early["frequency"])
    assert report["labels"]["own42"]["auc"] > 0.7


def test_shares_of_lost_spend_are_at_most_that_of_hindsight(report: dict[str, Any]) -> None:
    value = report["value"]
    assert all(0 <= share <= value["perfect"] <= 1 for share in value.values())


def test_the_tables_name_every_baseline(report: dict[str, Any]) -> None:
    console = Console(width=200)
    with console.capture() as captured:
        render(report, console)
    text = captured.get()
    assert all(name in text for name in (*report["baselines"], "lapse28", "useful", "hindsight"))


def test_a_short_history_is_not_evaluated() -> None:
    short = ChurnData("short", visits_on([list(range(0, 200, 5))]), ("1",), 6, 200)
    with pytest.raises(NotEnoughHistory, match="280 days"):
        evaluate(short)


def _alerts(alerts: list[tuple[int, int]], losses: list[tuple[int, int]]) -> churn_alerts.Alerts:
    columns = [np.array(column, dtype=np.int64) for pairs in (alerts, losses) for column in zip(*pairs, strict=True)]
    return churn_alerts.Alerts(*columns)


def test_a_warning_is_useful_when_the_loss_is_two_to_eight_weeks_away() -> None:
    warned = _alerts([(0, 100), (1, 100), (2, 100), (3, 100)], [(0, 113), (1, 114), (2, 156), (3, 157)])
    figures = churn_alerts.figures(warned, end=300)
    assert (figures["useful_precision"], figures["precision_56d"]) == (0.5, 0.75)
    assert (figures["recall"], figures["recall_lead14"]) == (0.75, 0.5)
    assert figures["median_lead_days"] == 14


def test_a_warning_not_yet_followed_for_eight_weeks_is_not_judged() -> None:
    figures = churn_alerts.figures(_alerts([(0, 100), (1, 250)], [(0, 120)]), end=300)
    assert (figures["alerts"], figures["alerts_followed_56d"], figures["useful_precision"]) == (2, 1, 1.0)


def test_a_warned_customer_is_left_alone_for_four_weeks() -> None:
    history = FeatureHistory(visits_on([[1], [2]]))
    first = np.array([True, False])
    weeks = [churn_alerts.Week(day, history.at(day), first) for day in (10, 17, 24, 31, 38)]
    nothing = np.zeros(0, dtype=np.int64)
    told = churn_alerts.simulate(weeks, (nothing, nothing), lambda _: np.array([0.9, 0.1]), share=1.0)
    assert told.day.tolist() == [10, 38]


def test_receipt_lines_become_one_visit_a_day() -> None:
    at = pl.Series(["2026-01-05T10:00:00", "2026-01-05T18:00:00", "2026-01-07T09:00:00"]).str.to_datetime(
        time_zone="UTC"
    )
    lines = pl.DataFrame(
        {
            "customer_id": ["b", "b", "a"],
            "product_id": ["p1", "p1", "p2"],
            "store_id": ["S1", "S2", "S1"],
            "at": at,
            "day": [0, 0, 2],
            "amount_minor": [100, 250, 70],
            "discount_minor": [0, 50, 0],
        }
    )
    data = churn_data("lines", lines, "UTC", 0)
    assert data.customer_ids == ("a", "b")
    assert data.visits.day.tolist() == [2, 0]
    assert data.visits.spend_minor.tolist() == [70, 350]
    assert data.visits.items.tolist() == [1, 2]
    assert data.visits.hour.tolist() == [9, 10]
    assert data.visits.category_visit.tolist() == [0, 1]
    assert data.end == 3


def test_cdnow_gives_the_published_parameters_and_correlation() -> None:
    report = evaluate_cdnow()
    assert report["parameters"] == pytest.approx({"r": 0.553, "alpha": 10.58, "s": 0.606, "beta": 11.67}, rel=5e-3)
    assert report["cdnow"]["correlation"] == pytest.approx(0.630, abs=1e-3)
    assert report["cdnow"]["auc"] > 0.775
    assert report["cdnow"]["mae"] < 0.765


def test_the_command_prints_one_json_document(capsys: pytest.CaptureFixture[str]) -> None:
    evaluate_churn("cdnow", as_json=True)
    printed = capsys.readouterr()
    assert {"auc", "mae", "correlation"} <= json.loads(printed.out)["cdnow"].keys()
    assert "Pareto/NBD" in printed.err


def test_the_command_says_why_a_file_cannot_be_evaluated(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as stopped:
        evaluate_churn("/nowhere/lines.csv")
    assert stopped.value.exit_code == 1
    assert "cannot evaluate" in capsys.readouterr().err
