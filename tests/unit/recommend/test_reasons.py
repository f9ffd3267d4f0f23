"""Due, and the plain words beside a recommendation."""

import pytest

from services.recommend.domain.due import LATE_RATIO, SAID_FROM_CHANCE, Outlook, due_of
from services.recommend.domain.purchases import OwnProduct
from services.recommend.domain.reasons import Language, ReasonCode, own_reason, reason
from tests.unit.recommend.factories import day, past_of, receipt


def bought(*days: float) -> OwnProduct:
    return past_of(receipt(f"R{n}", at, "milk") for n, at in enumerate(days)).products["milk"]


def test_due_after_the_usual_gap() -> None:
    due = due_of(bought(0, 9, 18), day(29))
    assert due is not None
    assert (due.usual_gap_days, due.since_days, due.due_at) == (9.0, 11.0, day(27))
    assert due.ratio == pytest.approx(11 / 9)


def test_two_purchases_make_no_rhythm() -> None:
    assert due_of(bought(0, 9), day(20)) is None


def test_purchases_of_one_day_are_one() -> None:
    assert due_of(bought(0, 0.1, 9), day(20)) is None


def test_one_long_holiday_does_not_move_the_gap() -> None:
    due = due_of(bought(0, 7, 14, 60, 67), day(70))
    assert due is not None
    assert due.usual_gap_days == 7.0


def test_due_product_says_rhythm_and_last_time() -> None:
    told = own_reason(bought(0, 9, 18), day(29))
    assert (told.code, dict(told.params)) == (
        ReasonCode.DUE,
        {"gap_days": 9, "since_days": 11, "due_on": "2026-01-28"},
    )
    assert told.text == "usually every 9 days, last bought 11 days ago"


def outlook(chance: float, days: float = 2.5) -> Outlook:
    return Outlook(chance, days, days / 2, days * 2)


def test_learned_outlook_gives_the_day_and_the_chance() -> None:
    told = own_reason(bought(0, 9, 18), day(29), outlook=outlook(0.456))
    assert told.text == "usually every 9 days, last bought 11 days ago"
    assert dict(told.params) == {"gap_days": 9, "since_days": 11, "due_on": "2026-02-02", "chance_percent": 46}


def test_due_is_not_said_when_it_is_improbable() -> None:
    assert own_reason(bought(0, 9, 18), day(29), outlook=outlook(SAID_FROM_CHANCE - 0.01)).code is not ReasonCode.DUE
    assert own_reason(bought(0, 9, 18), day(29), outlook=outlook(SAID_FROM_CHANCE)).code is ReasonCode.DUE


def test_due_is_not_said_of_what_was_just_bought_or_long_abandoned_however_probable() -> None:
    certain = outlook(1.0)
    assert own_reason(bought(0, 9, 18), day(22), outlook=certain).code is ReasonCode.BOUGHT_OFTEN
    assert own_reason(bought(0, 9, 18), day(18 + 9 * LATE_RATIO), outlook=certain).code is ReasonCode.DUE
    assert own_reason(bought(0, 9, 18), day(18.1 + 9 * LATE_RATIO), outlook=certain).code is ReasonCode.BOUGHT_OFTEN


def test_reason_in_chinese() -> None:
    assert own_reason(bought(0, 9, 18), day(29), Language.CHINESE).text == "您通常每9天购买一次,上次购买是11天前"


def test_one_day_is_singular() -> None:
    assert own_reason(bought(0, 1, 2), day(3)).text == "usually every 1 day, last bought 1 day ago"


def test_long_abandoned_product_is_not_called_due() -> None:
    assert own_reason(bought(0, 9, 18), day(100)).text == "bought 3 times, last 82 days ago"


def test_product_just_bought_is_not_called_due() -> None:
    assert own_reason(bought(0, 9, 18), day(19)).code is ReasonCode.BOUGHT_OFTEN


def test_single_purchase_is_told_as_such() -> None:
    assert own_reason(bought(0), day(5)).text == "last bought 5 days ago"


def test_purchase_later_than_the_clock_is_zero_days_ago() -> None:
    assert own_reason(bought(5), day(4)).params["since_days"] == 0


@pytest.mark.parametrize("language", list(Language))
@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_has_words_in_every_language(code: ReasonCode, language: Language) -> None:
    told = reason(
        code,
        language,
        gap_days=9,
        since_days=11,
        count=3,
        product="Milk",
        product_type="MILK",
        percent=20,
        of_ten=3,
        saving="1.00",
    )
    assert told.text
    assert "{" not in told.text
