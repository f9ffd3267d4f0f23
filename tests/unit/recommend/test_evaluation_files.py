"""Any chain's file through the protocols: kinds of file, no stores, one customer, ties, too little."""

from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from regulars.cli.evaluate import evaluate as command
from regulars.evaluation.recommend.data import TooFewLinesError, load
from regulars.evaluation.recommend.lists import Protocol
from regulars.evaluation.recommend.run import evaluate
from services.recommend.training.origins import TooLittleDataError
from tests.unit.recommend.factories import START, town

KINDS = (
    (Protocol.TEMPORAL, "csv"),
    (Protocol.LAST_BASKET, "parquet"),
    (Protocol.COMPLETION, "ndjson"),
    (Protocol.DISCOVER, "csv"),
)


def written(lines: pl.DataFrame, folder: Path, kind: str = "csv") -> str:
    path = folder / f"lines.{kind}"
    frame = lines.rename({"at": "timestamp"})
    if kind == "csv":
        frame.write_csv(path)
    elif kind == "parquet":
        frame.write_parquet(path)
    else:
        frame.write_ndjson(path)
    return str(path)


@pytest.mark.parametrize(("protocol", "kind"), KINDS)
def test_file_of_any_kind_goes_through_every_protocol(tmp_path: Path, protocol: Protocol, kind: str) -> None:
    report = evaluate(load(written(town(customers=12, products=40), tmp_path, kind)), protocol)
    assert report.data == f"lines.{kind}"
    assert report.users == 12
    assert report.metrics_store_known is not None
    assert all(0 <= value <= 1 for value in report.metrics.values())


@pytest.mark.parametrize("protocol", [Protocol.TEMPORAL, Protocol.COMPLETION])
def test_without_stores_nothing_is_said_of_them(tmp_path: Path, protocol: Protocol) -> None:
    lines = town(customers=12, products=40).drop("store_id")
    report = evaluate(load(written(lines, tmp_path)), protocol)
    assert report.metrics_store_known is None
    assert "metrics_store_known" not in report.intervals


def test_one_customer_is_enough(tmp_path: Path) -> None:
    report = evaluate(load(written(town(customers=1, products=12), tmp_path)), Protocol.TEMPORAL)
    assert report.users == 1
    assert report.segments == {}


def test_baskets_of_one_moment_do_not_see_one_another(tmp_path: Path) -> None:
    """Two baskets of each customer at each time: which was first is not known, so neither is the other's past."""
    once = town(customers=12, products=40)
    again = once.with_columns(pl.col("basket_id") + "-twin")
    data = load(written(pl.concat([once, again]), tmp_path))
    report = evaluate(data, Protocol.LAST_BASKET)
    assert report.users == 12
    for basket in range(data.dataset.at.size - 1):
        customer = int(data.dataset.owner[basket])
        assert data.dataset.history(customer, float(data.dataset.at[basket])).basket_count % 2 == 0


def test_everything_at_one_moment_is_too_little(tmp_path: Path) -> None:
    lines = town(customers=12, products=40).with_columns(pl.lit(START).dt.cast_time_unit("us").alias("at"))
    with pytest.raises(TooLittleDataError, match="12 weeks of receipts"):
        evaluate(load(written(lines, tmp_path)), Protocol.TEMPORAL)


def test_few_weeks_complete_baskets_by_the_formula(tmp_path: Path) -> None:
    """Six weeks leave nothing to train the open-basket ranker on: the untrained formula ranks."""
    report = evaluate(load(written(town(customers=20, products=20, weeks=6), tmp_path)), Protocol.COMPLETION)
    assert report.metrics == report.baselines["formula"]


def test_hardly_any_lines_are_refused(tmp_path: Path) -> None:
    with pytest.raises(TooFewLinesError, match="products in 10 baskets and customers with 5"):
        load(written(town(customers=2, weeks=2), tmp_path))


def test_command_says_what_is_wrong_and_fails(tmp_path: Path) -> None:
    path = written(town(customers=12, products=20, weeks=8), tmp_path)
    result = CliRunner().invoke(command, ["recommend", "--data", path])
    assert result.exit_code == 1
    assert "cannot evaluate" in result.stderr
    assert "12 weeks" in result.stderr
