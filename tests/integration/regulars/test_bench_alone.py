"""Ingest alone, with tiny counts: it runs, and what it says was counted."""

from dataclasses import replace

import pytest

from regulars.bench import events
from regulars.bench.alone import ingest_alone
from regulars.bench.shoppers import Shoppers
from shared.clock import SystemClock

pytestmark = [pytest.mark.postgres, pytest.mark.broker]


@pytest.mark.long
def test_every_figure_of_ingest_alone_is_measured() -> None:
    small = replace(
        events.Sizes(),
        batched=400,
        repeats=200,
        singles=40,
        customers=20,
        many_connections=16,
        paced_per_second=20,
        paced_seconds=1,
    )
    with ingest_alone(lambda _: None) as alone:
        figures = events.measure(alone, lambda _: None, small)
    assert len(figures) == 9
    assert all(figure.value > 0 for figure in figures)


def test_what_is_sent_is_the_same_every_time_and_nothing_twice() -> None:
    now = SystemClock().now()
    first, second = Shoppers(now, 10), Shoppers(now, 10)
    messages = first.messages(200)
    assert messages == second.messages(200)
    assert len({message["messageId"] for message in messages}) == 200
    assert len({message["userId"] for message in messages}) == 10
    assert {message["messageId"] for message in first.messages(200)}.isdisjoint(
        message["messageId"] for message in messages
    )
