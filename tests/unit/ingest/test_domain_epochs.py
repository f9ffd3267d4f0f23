"""A till that starts counting again in the middle of a day."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from services.ingest.domain.epochs import EPOCHS_MAX, FALL_BACK_MIN, Epoch, TillMoment, settle_epochs

OPEN = datetime(2026, 3, 1, 8, tzinfo=UTC)


def at(minutes: int) -> datetime:
    return OPEN + timedelta(minutes=minutes)


def moments(*pairs: tuple[int, int]) -> list[TillMoment]:
    """Receipts as (number, minutes after opening)."""
    return [TillMoment(place, number, at(minutes)) for place, (number, minutes) in enumerate(pairs)]


def test_a_day_that_only_counts_up_has_one_epoch() -> None:
    chosen, epochs = settle_epochs((), moments((1, 0), (2, 5), (900, 600)))
    assert chosen == {0: 0, 1: 0, 2: 0}
    assert epochs == (Epoch(0, at(0), 900, at(600), ((1, 2), (900, 900))),)


def test_a_number_that_falls_back_while_time_goes_on_opens_the_next_epoch() -> None:
    morning = (Epoch(0, at(0), 900, at(300)),)
    chosen, epochs = settle_epochs(morning, moments((1, 310), (2, 320)))
    assert chosen == {0: 1, 1: 1}
    assert [epoch.number for epoch in epochs] == [0, 1]
    assert epochs[1].opened_at == at(310)


def test_a_small_step_back_is_only_two_receipts_in_another_order() -> None:
    known = (Epoch(0, at(0), 100, at(300)),)
    chosen, _ = settle_epochs(known, moments((100 - FALL_BACK_MIN, 310)))
    assert chosen == {0: 0}
    chosen, _ = settle_epochs(known, moments((100 - FALL_BACK_MIN - 1, 310)))
    assert chosen == {0: 1}


def test_a_late_upload_of_the_morning_stays_in_the_morning() -> None:
    known = (Epoch(0, at(0), 900, at(300)), Epoch(1, at(310), 40, at(400)))
    chosen, _ = settle_epochs(known, moments((500, 150), (41, 410)))
    assert chosen == {0: 0, 1: 1}


def test_a_whole_day_uploaded_again_opens_nothing() -> None:
    day = moments(*((number, number) for number in range(1, 400)))
    first, epochs = settle_epochs((), day)
    second, again = settle_epochs(epochs, day)
    assert first == second
    assert again == epochs


def test_a_terminal_that_counts_in_no_order_opens_a_bounded_number() -> None:
    day = moments(*((number if number % 2 else 5000 + number, number) for number in range(1, 400)))
    _, epochs = settle_epochs((), day)
    assert len(epochs) == EPOCHS_MAX


def test_an_epoch_that_the_till_names_stands() -> None:
    chosen, epochs = settle_epochs((), [TillMoment(0, 5, at(0), given=7)])
    assert chosen == {0: 7}
    assert [epoch.number for epoch in epochs] == [7]


def test_an_upload_in_pieces_from_the_end_opens_nothing() -> None:
    _, evening = settle_epochs((), moments((700, 500), (800, 600)))
    chosen, epochs = settle_epochs(evening, moments((1, 0), (300, 200)))
    assert chosen == {0: 0, 1: 0}
    assert epochs[0].opened_at == at(0)


@given(st.permutations(list(range(1, 120))))
def test_the_order_within_one_upload_does_not_matter(order: list[int]) -> None:
    receipts = [TillMoment(number, number, at(number)) for number in order]
    chosen, epochs = settle_epochs((), receipts)
    assert set(chosen.values()) == {0}
    assert epochs == (Epoch(0, at(1), 119, at(119), ((1, 119),)),)
