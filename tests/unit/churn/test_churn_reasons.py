import numpy as np
import pytest

from services.churn.features import FAMILIES, features
from services.churn.reasons import EVIDENCE, HISTORY_WEEKS, LONG_STANDING, Reason, reasons
from services.churn.visits import Floats, Visits, visits_of
from tests.unit.churn.conftest import visits_on

DAY = 252


def _told(shopper: Visits, **rises: float) -> tuple[Reason, ...]:
    history = [features(shopper, DAY - 7 * week) for week in range(HISTORY_WEEKS + 1)]
    before = np.zeros((shopper.customers, len(FAMILIES) + 1))
    now: Floats = before.copy()
    for family, rise in rises.items():
        now[:, FAMILIES.index(family)] = rise
    return reasons(history, now, before)[0]


@pytest.fixture
def slowing() -> Visits:
    """Weekly until day 217, then every second week."""
    return visits_on([[*range(0, 218, 7), 231, 245]])


def test_a_risen_family_with_agreeing_evidence_is_told_with_figures(slowing: Visits) -> None:
    (reason,) = _told(slowing, visits=0.8)
    assert reason.code == "comes_less_often"
    assert (reason.now, reason.usual) == (2.0, 4.0)
    assert reason.text["en"] == "Came 2 times in 4 weeks; usually 4 times."
    assert reason.text["zh"] == "近4周到店2次,通常为4次。"
    assert reason.rise == pytest.approx(0.8)


def test_since_is_when_the_change_began(slowing: Visits) -> None:
    (reason,) = _told(slowing, visits=0.8)
    assert 218 <= reason.since <= 245


def test_a_rise_without_evidence_is_no_reason(slowing: Visits) -> None:
    assert [reason.code for reason in _told(slowing, basket=2.0)] == [LONG_STANDING]


def test_evidence_without_a_rise_is_no_reason(slowing: Visits) -> None:
    assert [reason.code for reason in _told(slowing, visits=0.01)] == [LONG_STANDING]


def test_a_customer_who_never_changed_is_told_as_standing() -> None:
    (reason,) = _told(visits_on([list(range(0, 250, 25))]), visits=0.5, rhythm=0.5)
    assert reason.code == LONG_STANDING
    assert reason.rise == 0.0


def test_the_largest_rise_comes_first_and_three_are_enough(slowing: Visits) -> None:
    told = _told(slowing, visits=0.3, spend=0.9, rhythm=0.5, silence=0.1)
    assert [reason.code for reason in told] == ["spends_less", "longer_gaps", "comes_less_often"]


def test_silence_is_told_since_the_last_visit() -> None:
    (reason,) = _told(visits_on([[*range(0, 230, 5), 230]]), silence=1.0)
    assert reason.code == "silent_for_longer"
    assert (reason.now, reason.since) == (22.0, 230)


def test_a_dropped_discount_is_told_in_percent() -> None:
    days = np.arange(0, DAY, 7)
    visits = visits_of(
        1,
        customer=np.zeros(len(days)),
        day=days,
        spend_minor=np.full(len(days), 800),
        discount_minor=np.where(days < 200, 200, 0),
    )
    (reason,) = _told(visits, discounts=0.4)
    assert reason.text["en"] == "Discounts made up 0 % of prices; usually 20 %."


def test_every_family_has_evidence_and_both_texts() -> None:
    assert set(EVIDENCE) == set(FAMILIES)
    assert all(one.english.endswith(".") and one.chinese.endswith("。") for one in EVIDENCE.values())
    assert len({one.code for one in EVIDENCE.values()}) == len(EVIDENCE)
