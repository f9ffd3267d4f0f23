"""How many events that mean work for the hook a numbering batch may hold."""

from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from shared.log.domain import EFFORT_MAX, EFFORT_SECONDS, EffortPace, Waiting, within

EVENTS = [Waiting(UUID(int=number), "topic", "key") for number in range(20)]


def test_a_batch_ends_before_laborious_events_are_too_many() -> None:
    laborious = {UUID(int=number) for number in (3, 5, 9, 15)}
    assert within(EVENTS, laborious, 2) == EVENTS[:9]
    assert within(EVENTS, laborious, 4) == EVENTS
    assert within(EVENTS, (), 1) == EVENTS
    assert within([], laborious, 1) == []


@given(st.sets(st.integers(0, 19)), st.integers(1, 20))
def test_what_is_taken_is_a_beginning_with_as_many_as_are_allowed(laborious: set[int], allowed: int) -> None:
    taken = within(EVENTS, {UUID(int=number) for number in laborious}, allowed)
    assert taken == EVENTS[: len(taken)]
    assert sum(event.event_id.int in laborious for event in taken) == min(allowed, len(laborious))
    assert taken, "something is always taken, so that the log goes on"


def test_batches_that_take_too_long_become_smaller_down_to_one_event() -> None:
    pace = EffortPace()
    for _ in range(20):
        pace.took(pace.allowed, EFFORT_SECONDS + 0.1)
    assert pace.allowed == 1


def test_a_batch_that_failed_is_not_tried_as_large_again() -> None:
    pace = EffortPace()
    pace.failed(300)
    assert pace.allowed == 150


def test_quick_full_batches_become_larger_again_up_to_the_most() -> None:
    pace = EffortPace(allowed=1)
    for _ in range(20):
        pace.took(pace.allowed, 0.01)
    assert pace.allowed == EFFORT_MAX


def test_a_quick_batch_with_less_than_was_allowed_proves_nothing() -> None:
    pace = EffortPace(allowed=10)
    pace.took(9, 0.01)
    pace.took(10, EFFORT_SECONDS / 2)
    assert pace.allowed == 10
