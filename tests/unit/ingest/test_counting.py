"""Counts of one process: they add up, they are bounded, and those that could not be written are kept."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import REGISTRY

from services.ingest.domain.figures import COUNTED, Figures, Tallied, ViolationTally, is_late
from services.ingest.handlers.sources import counting
from services.ingest.handlers.sources.counting import VIOLATIONS_HELD_MAX, Tally, _Counts
from tests.fixtures.waiting import until

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = NOW.date()


def tally(at: datetime = NOW, message: str = "m", sample: str = "{}") -> ViolationTally:
    return ViolationTally(message, 1, at, at, sample)


@given(st.lists(st.lists(st.integers(0, 9), min_size=len(COUNTED), max_size=len(COUNTED)), max_size=8))
def test_figures_add_up_in_any_order(rows: list[list[int]]) -> None:
    figures = [Figures(*row) for row in rows]
    assert sum(figures, Figures()) == sum(reversed(figures), Figures())


def test_counts_that_were_given_back_add_to_what_came_meanwhile() -> None:
    lost, fresh = _Counts(), _Counts()
    for counts in (lost, fresh):
        counts.day("shop", DAY, NOW).counts[0] += 2
        counts.correct("phone_to_e164", "shop", Tallied(3, NOW))
        counts.violate(("shop", "Viewed", "type", "/price"), tally())
    fresh.add(lost)
    assert fresh.figures() == {("shop", DAY): (Figures(accepted=4), NOW)}
    assert fresh.quality["phone_to_e164", "shop"].times == 6
    assert fresh.violations["shop", "Viewed", "type", "/price"].times == 2


def test_names_made_up_without_end_take_no_memory_without_end() -> None:
    counts = _Counts()
    for number in range(VIOLATIONS_HELD_MAX + 50):
        counts.violate(("shop", f"Made up {number}", "unplanned", ""), tally(sample='{"a": "string"}'))
    assert len(counts.violations) == VIOLATIONS_HELD_MAX + 1
    others = counts.violations["shop", "(others)", "(others)", ""]
    assert (others.times, others.sample) == (50, "{}")


def test_the_newest_sample_of_a_violation_is_shown_whichever_came_first() -> None:
    old, new = tally(NOW - timedelta(days=1), sample="old"), tally(sample="new")
    assert old.plus(new) == new.plus(old)
    assert (old.plus(new).sample, old.plus(new).first_at) == ("new", old.first_at)


def test_late_is_more_than_an_hour() -> None:
    assert not is_late(NOW - timedelta(hours=1), NOW)
    assert is_late(NOW - timedelta(hours=1, seconds=1), NOW)
    assert not is_late(NOW + timedelta(hours=2), NOW)


async def test_a_fault_in_writing_is_counted_and_ends_no_counting(monkeypatch: pytest.MonkeyPatch) -> None:
    def faults() -> float:
        return REGISTRY.get_sample_value("ingest_beside_failures_total", {"work": "figures"}) or 0.0

    class Broken(Tally):
        async def flush(self) -> None:
            raise ValueError("a fault of ours")

    monkeypatch.setattr(counting, "FLUSH_SECONDS", 0.0)
    before = faults()
    database: Any = None
    keeping = asyncio.create_task(Broken(database, "UTC").keep())
    await until(lambda: asyncio.sleep(0, faults() >= before + 2), 5)
    assert not keeping.done()
    keeping.cancel()
    await asyncio.gather(keeping, return_exceptions=True)
