"""A bad version never comes into use, whatever the order in which versions are tried."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.domain.purchases import days_since_epoch
from services.recommend.errors import GateRefused, ModelNotFound, ModelUnreadable
from services.recommend.handlers.models import promote, rollback
from services.recommend.model import files_of
from services.recommend.registry import SERVICE
from services.recommend.training.fitting import train
from services.recommend.training.holdout import GATE_METRIC
from shared.registry import By, Manifest, Metric, Registry
from tests.unit.recommend.factories import dataset, day, town

START = datetime(2026, 8, 1, tzinfo=UTC)
FALL = 0.99
"""A version may lose one hundredth of the figure of the one in use, no more."""


@cache
def files() -> dict[str, bytes]:
    """One small model's files: every version here holds the same, and only their figures differ."""
    return dict(files_of(train(*dataset(town(customers=20, products=30, weeks=24)), days_since_epoch(day(150)))))


def manifest(number: int, figure: float | None) -> Manifest:
    metrics = {} if figure is None else {GATE_METRIC: Metric(figure, figure, figure)}
    at = START + timedelta(days=number)
    return Manifest(
        SERVICE, at.isoformat(), (at - timedelta(days=300)).isoformat(), at.isoformat(), "code", metrics=metrics
    )


figures = st.none() | st.floats(0.01, 1) | st.sampled_from([math.nan, math.inf, -math.inf, -1.0, 0.0])
steps = st.lists(
    st.tuples(figures, st.sampled_from(["promote", "promote", "damage", "forget"])), min_size=1, max_size=5
)


@given(steps=steps)
@settings(max_examples=25, deadline=None)
def test_what_is_worse_missing_no_number_or_damaged_never_comes_into_use(
    steps: list[tuple[float | None, str]],
) -> None:
    with TemporaryDirectory() as folder:
        registry = Registry(Path(folder), SERVICE)
        figure_in_use: float | None = None
        for number, (figure, what) in enumerate(steps):
            saved = registry.save(manifest(number, figure), files())
            before = registry.current()
            if what == "damage":
                (Path(folder) / SERVICE / saved.version / "ids.json").write_bytes(b"{}")
            version = "20200101T000000000000-00000000" if what == "forget" else saved.version
            if _comes_into_use(registry, version):
                assert what == "promote"
                assert figure is not None
                assert math.isfinite(figure)
                assert figure_in_use is None or figure >= figure_in_use * FALL - 1e-12
                assert registry.current() == saved.version
                figure_in_use = figure
            else:
                assert registry.current() == before


def _comes_into_use(registry: Registry, version: str) -> bool:
    try:
        return promote(registry, version, By()).passed
    except (GateRefused, ModelNotFound, ModelUnreadable):
        return False


def test_going_back_finds_the_version_before_and_never_one_that_was_refused(
    tmp_path: Path,
) -> None:
    registry = Registry(tmp_path, SERVICE)
    good = [registry.save(manifest(number, 0.2 + number / 100), files()).version for number in range(2)]
    for version in good:
        assert promote(registry, version, By()).passed
    bad = registry.save(replace(manifest(5, 0.1)), files()).version
    with pytest.raises(GateRefused):
        promote(registry, bad, By())
    assert rollback(registry, By()) == good[0]
    assert registry.current() == good[0]
