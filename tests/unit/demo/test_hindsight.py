"""Whether what was foretold came true, on histories written by hand."""

import polars as pl

from regulars.demo import hindsight

WEEKLY = list(range(0, 140, 7))


def test_a_limit_is_twice_the_own_long_gap_within_bounds() -> None:
    assert hindsight.limit_days(WEEKLY) == 14
    assert hindsight.limit_days(list(range(0, 300, 15))) == 30
    assert hindsight.limit_days(list(range(0, 600, 30))) == 42
    assert hindsight.limit_days(list(range(30))) == 14


def test_few_visits_have_the_fixed_limit() -> None:
    assert hindsight.limit_days([0, 7, 14]) == 28


def test_who_stays_away_past_the_limit_was_lost() -> None:
    assert hindsight.was_lost([1, 8, 15], cut_day=20, end_day=76, limit=14)


def test_who_keeps_coming_was_not_lost() -> None:
    assert not hindsight.was_lost(list(range(1, 80, 7)), cut_day=20, end_day=76, limit=14)


def test_who_was_lost_and_came_back_was_lost_all_the_same() -> None:
    assert hindsight.was_lost([1, 8, 15, 22, 60, 67, 74], cut_day=20, end_day=76, limit=14)


def test_a_silence_that_passed_the_limit_before_the_cut_is_no_news() -> None:
    assert not hindsight.was_lost([1, 40, 47, 54, 61, 68], cut_day=38, end_day=76, limit=14)


def test_a_silence_still_within_the_limit_at_the_end_is_none() -> None:
    assert not hindsight.was_lost([1, 8, 15, 22, 29, 36, 43, 50, 57, 64], cut_day=20, end_day=76, limit=14)


def test_somebody_never_seen_before_the_cut_cannot_be_lost() -> None:
    assert not hindsight.was_lost([30], cut_day=20, end_day=76, limit=14)


def test_the_share_that_came_true_is_counted() -> None:
    visits = {"leaver": WEEKLY[:10], "stayer": WEEKLY}
    found = hindsight.came_true(visits, ["leaver", "stayer"], cut_day=70, end_day=126)
    assert (found.customers, found.lost, found.share) == (2, 1, 0.5)


def test_only_who_came_lately_is_active() -> None:
    assert hindsight.active_at({"old": [1, 2], "new": [100]}, cut_day=120) == ["new"]


def test_what_a_customer_bought_later_is_counted_by_days() -> None:
    lines = pl.DataFrame(
        {"customer_id": ["a"] * 4 + ["b"], "product_id": ["p", "p", "q", "p", "p"], "day": [5, 6, 6, 1, 6]}
    )
    assert hindsight.bought(lines, "a", 5) == {"p": 2, "q": 1}


def test_visit_days_are_distinct_and_ordered() -> None:
    lines = pl.DataFrame({"customer_id": ["a", "a", "a"], "day": [5, 2, 5]})
    assert hindsight.visit_days(lines) == {"a": [2, 5]}


def test_only_who_comes_often_enough_is_regular() -> None:
    visits = {"often": [50, 60, 70, 80], "seldom": [50, 80], "long_ago": [1, 2, 3, 4]}
    assert hindsight.regular_at(visits, cut_day=120) == ["often"]
