"""The arithmetic of figures: percentiles, ratios, targets, digits."""

import math
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from regulars.bench.figures import Bare, Figure, Report, Sense, Spread, Target, percentile, ratio, significant

times = st.lists(st.floats(min_value=0, max_value=1e6), min_size=1, max_size=200)


def test_a_percentile_is_the_nearest_rank() -> None:
    hundred = [float(number) for number in range(1, 101)]
    assert percentile(hundred, 0.50) == 50
    assert percentile(hundred, 0.95) == 95
    assert percentile(hundred, 0.99) == 99
    assert percentile(hundred, 1.0) == 100


def test_a_share_that_binary_cannot_write_does_not_move_the_rank() -> None:
    assert percentile([float(number) for number in range(1, 21)], 0.95) == 19


def test_of_few_times_the_99th_percentile_is_the_largest() -> None:
    assert percentile([1.0, 2.0, 9.0], 0.99) == 9.0
    assert percentile([4.0], 0.5) == 4.0
    assert percentile([4.0, 5.0], 0.0) == 4.0


def test_nothing_measured_has_no_percentile() -> None:
    with pytest.raises(ValueError, match="nothing was measured"):
        percentile([], 0.99)
    with pytest.raises(ValueError, match="nothing was measured"):
        Spread.of([])


@given(times, st.floats(min_value=0, max_value=1))
def test_a_percentile_was_measured_and_enough_values_do_not_exceed_it(values: list[float], share: float) -> None:
    ordered = sorted(values)
    found = percentile(ordered, share)
    assert found in ordered
    assert sum(value <= found for value in ordered) >= share * len(ordered) - 1e-6


def test_a_spread_does_not_ask_for_order() -> None:
    values = [float(number) for number in range(1, 201)]
    Random(1).shuffle(values)
    assert Spread.of(values) == Spread(count=200, p50_ms=100, p95_ms=190, p99_ms=198, max_ms=200)


def test_a_ratio_needs_something_to_divide_by() -> None:
    assert ratio(3.0, 4.0) == 0.75
    assert ratio(3.0, 0.0) is None


@pytest.mark.parametrize(
    ("sense", "value", "is_met"),
    [
        (Sense.AT_LEAST, 800, True),
        (Sense.AT_LEAST, 799.9, False),
        (Sense.AT_MOST, 800, True),
        (Sense.AT_MOST, 800.1, False),
    ],
)
def test_a_target_itself_is_good_enough(sense: Sense, value: float, *, is_met: bool) -> None:
    assert Figure("rate", value, "receipts/s", Target(sense, 800)).is_met is is_met


def test_a_figure_without_target_is_neither_met_nor_missed() -> None:
    figure = Figure("rate", 5, "receipts/s")
    assert (figure.is_met, figure.ratio) == (None, None)
    assert figure.document()["target"] is None


def test_the_document_has_the_ratio_to_the_bare_limit() -> None:
    figure = Figure("rate", 1234.56, "receipts/s", Target(Sense.AT_LEAST, 800), Bare("raw inserts", 5000), "warm")
    assert figure.document() == {
        "name": "rate",
        "value": 1235,
        "unit": "receipts/s",
        "target": "≥ 800",
        "is_met": True,
        "bare": {"what": "raw inserts", "value": 5000},
        "ratio_to_bare": 0.2469,
        "note": "warm",
    }


@pytest.mark.parametrize(
    ("value", "rounded"), [(1234.56, 1235), (12.3456, 12.35), (0.0123456, 0.01235), (0, 0), (987654.3, 987654)]
)
def test_rounding_keeps_the_digits_that_mean_something(value: float, rounded: float) -> None:
    assert significant(value) == rounded


def test_what_is_not_a_number_stays_so() -> None:
    assert math.isinf(significant(math.inf))


def test_a_report_says_how_busy_the_machine_was() -> None:
    report = Report("ingest", "ten receipts", [Figure("rate", 1, "receipts/s")], seconds=1.26, load_before=3.141)
    document = report.document()
    assert (document["load_before"], document["seconds"]) == (3.14, 1.3)
    assert [figure["name"] for figure in document["figures"]] == ["rate"]
