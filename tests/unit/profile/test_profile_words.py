"""A profile in words reads like a sentence somebody would say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from services.profile.domain.profile import AsOf, Chain, Profile, Surroundings, standing_of
from services.profile.domain.purchases import CategorySpend, Figures, Totals, Visit
from services.profile.domain.words import in_words

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)


def profile(visits_count: int = 15, *, returns: int = 0, silent_days: int = 3) -> Profile:
    times = [NOW - timedelta(days=silent_days + 7 * n) for n in range(visits_count)][::-1]
    visits = [Visit(at, at.date(), "S7", 0, used_coupon=False) for at in times]
    figures = Figures(visits_count, returns, 30, 60_000, 250 * returns)
    totals = [Totals("USD", figures, times[0], times[-1])] if visits else []
    around = Surroundings({}, {}, AsOf(Chain("USD", "UTC"), NOW))
    return Profile(
        customer_id=UUID(int=1),
        identifiers=(),
        standing=standing_of(totals, visits, around),
        favourite_categories=tuple(CategorySpend(name, 1, 1, 0.2) for name in ("CHEESE", "MILK", "TEA", "FIGS")),
        attributes={},
        tags=(),
        consents=(),
        usual_store_name=None,
        as_of=NOW,
    )


def test_a_regular() -> None:
    assert in_words(profile(returns=2)) == (
        "Regular, first seen 20 February 2026. 15 visits worth USD 595.00 net, 2 returns, buys about every 7 days."
        " Mostly at store S7 (100% of visits), around 12:00. Favourites: CHEESE, MILK, TEA. Last bought 3 days ago."
        " In segments: one store shoppers."
    )


def test_a_store_is_named_where_its_name_is_known() -> None:
    assert "Mostly at Huaihai Road (" in in_words(replace(profile(), usual_store_name="Huaihai Road"))


def test_one_visit_is_singular_and_has_no_rhythm() -> None:
    assert "1 visit worth USD 600.00 net." in in_words(profile(1, silent_days=0))


def test_who_bought_today_is_not_said_to_have_been_silent() -> None:
    assert "ago" not in in_words(profile(3, silent_days=0))


def test_a_prospect_has_nothing_to_tell() -> None:
    assert in_words(profile(0)) == "Known, but has not bought yet."


def test_the_same_in_chinese() -> None:
    text = in_words(profile(), "zh")
    assert text.startswith("老顾客，首次购买于2026年2月20日。共购买15次，净消费USD 600.00，约每7天来一次。")  # noqa: RUF001
    assert "偏好：CHEESE、MILK、TEA。" in text  # noqa: RUF001
    assert in_words(profile(0), "zh") == "尚未购买的客户。"


def test_a_language_that_is_not_spoken_is_answered_in_english() -> None:
    assert in_words(profile(), "fr") == in_words(profile(), "en")
