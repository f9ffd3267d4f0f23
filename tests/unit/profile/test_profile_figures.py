"""Totals, quintiles, habits, segments and transitions: arithmetic without a database."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.profile.domain.habits import Habits, habits_of, usual_gap_days
from services.profile.domain.profile import Consent, fold_consents
from services.profile.domain.purchases import (
    NOTHING,
    Figures,
    Totals,
    Visit,
    counted,
    favourites,
    fold_totals,
    pieces,
)
from services.profile.domain.rfm import Bounds, Scores, cell_of, rfm_of
from services.profile.domain.segments import BY_ID, SEGMENTS, Traits, segments_of
from services.profile.domain.transitions import Said, transitions_to

NOW = datetime(2026, 6, 1, 12, tzinfo=UTC)
SOMEBODY = UUID(int=7)
BOUNDS = Bounds("USD", NOW, [3, 10, 30, 90], [1, 3, 8, 20], [1_000, 5_000, 20_000, 80_000])


def totals(currency: str, receipts: int, gross: int = 0, days_ago: float = 0) -> Totals:
    at = NOW - timedelta(days=days_ago)
    return Totals(currency, Figures(receipts=receipts, gross_minor=gross), at, at)


@pytest.mark.parametrize(
    ("quantity", "items"), [("1", 1), ("12", 12), ("0.486", 1), ("2.000", 2), ("2.5", 1), ("0", 0)]
)
def test_goods_sold_by_measure_are_one_item(quantity: str, items: int) -> None:
    assert pieces(quantity) == items


def test_net_is_gross_without_returns_and_unknown_voids() -> None:
    assert Figures(gross_minor=1000, returned_minor=300, unknown_void_minor=50).net_minor == 650


def test_what_is_added_and_taken_away_again_is_nothing() -> None:
    figures = counted("exchange", training=False, sold_minor=7, returned_minor=3, items=2)
    assert figures + -figures == NOTHING


def test_training_counts_nothing() -> None:
    assert counted("sale", training=True, sold_minor=7, returned_minor=0, items=2) == NOTHING


def test_the_main_currency_is_the_one_most_often_paid_in() -> None:
    folded = fold_totals([totals("EUR", 1, 90_000), totals("CNY", 2), totals("CNY", 1)], "USD")
    assert (folded.main.currency, folded.main.figures.receipts) == ("CNY", 3)
    assert [other.currency for other in folded.others] == ["EUR"]


def test_the_chains_currency_wins_a_tie() -> None:
    assert fold_totals([totals("EUR", 1), totals("USD", 1)], "USD").main.currency == "USD"


def test_nobody_without_facts_has_another_currency_than_the_chains() -> None:
    folded = fold_totals([Totals("EUR", NOTHING)], "USD")
    assert (folded.main.currency, folded.others, folded.last_at) == ("USD", (), None)


@given(st.permutations([totals("USD", 2, 5, 9), totals("EUR", 1, 4, 30), totals("USD", 1, 8, 400), totals("JPY", 1)]))
def test_subjects_fold_alike_in_any_order(of_subjects: Sequence[Totals]) -> None:
    folded = fold_totals(of_subjects, "USD")
    assert folded.main.figures.receipts == 3
    assert [other.currency for other in folded.others] == ["EUR", "JPY"]
    assert folded.first_at == NOW - timedelta(days=400)


def test_favourites_are_shares_of_positive_spend() -> None:
    found = favourites({"MILK": (300, 3), "CHEESE": (600, 2), "TOYS": (-50, 1), "TEA": (100, 1)}, 2)
    assert [(each.category, each.share) for each in found] == [("CHEESE", 0.6), ("MILK", 0.3)]


def test_nothing_bought_is_no_favourite() -> None:
    assert favourites({"TOYS": (0, 1)}, 3) == []


class TestRfm:
    def test_a_figure_at_a_fifths_upper_end_belongs_to_it(self) -> None:
        assert cell_of(BOUNDS, 3, 20, 80_000) == "544"
        assert cell_of(BOUNDS, 4, 21, 80_001) == "455"

    def test_the_best_and_the_worst(self) -> None:
        assert cell_of(BOUNDS, 0, 99, 10**9) == "555"
        assert cell_of(BOUNDS, 400, 1, 0) == "111"

    def test_without_bounds_there_is_no_cell(self) -> None:
        assert cell_of(None, 1, 1, 1) is None

    def test_who_never_bought_has_none(self) -> None:
        assert rfm_of(fold_totals([], "USD"), BOUNDS, NOW) is None

    def test_a_till_that_is_ahead_of_time_gives_no_negative_recency(self) -> None:
        found = rfm_of(fold_totals([totals("USD", 1, days_ago=-2)], "USD"), BOUNDS, NOW)
        assert found is not None
        assert found.recency_days == 0

    @given(st.integers(0, 500), st.integers(0, 500))
    def test_more_silence_never_scores_better(self, one: int, other: int) -> None:
        scores = [Scores.of(cell_of(BOUNDS, days, 1, 1) or "").recency for days in sorted((one, other))]
        assert scores[0] >= scores[1]


def visits(*at: datetime, store_id: str = "S1", offset: int = 0) -> list[Visit]:
    return [Visit(each, each.date(), store_id, offset, used_coupon=False) for each in at]


class TestHabits:
    def test_the_usual_gap_is_the_median(self) -> None:
        days = [NOW.date() + timedelta(days=n) for n in (0, 7, 14, 60)]
        assert usual_gap_days(days) == 7

    def test_two_visits_make_no_habit(self) -> None:
        assert usual_gap_days([NOW.date(), NOW.date() + timedelta(days=7)]) is None

    def test_the_hour_is_the_stores_then_the_tills_then_the_chains(self) -> None:
        told = visits(NOW, offset=120)
        assert habits_of(told, {"S1": "Asia/Shanghai"}, "America/New_York").usual_hour == 20
        assert habits_of(told, {}, "America/New_York").usual_hour == 14
        assert habits_of(visits(NOW), {}, "America/New_York").usual_hour == 8

    def test_a_zone_that_is_none_is_passed_over(self) -> None:
        assert habits_of(visits(NOW), {"S1": "Mars/Olympus"}, "UTC").usual_hour == 12

    def test_of_two_stores_visited_alike_the_latest_counts(self) -> None:
        found = habits_of([*visits(NOW, store_id="S2"), *visits(NOW + timedelta(days=1))], {}, "UTC")
        assert (found.usual_store_id, found.usual_store_share) == ("S1", 0.5)

    def test_nobody_has_no_habits(self) -> None:
        assert habits_of([], {}, "UTC") == Habits()


class TestSegments:
    @staticmethod
    def held(cell: str | None = None, figures: Figures = NOTHING, **habits: float) -> set[str]:
        of_habit = Habits(visits=10, **habits)  # type: ignore[arg-type]
        return set(segments_of(Traits(figures, of_habit, Scores.of(cell) if cell else None)))

    @pytest.mark.parametrize(
        ("cell", "segments"),
        [
            ("555", {"champions", "regulars", "top_spenders"}),
            ("345", {"regulars", "top_spenders"}),
            ("511", {"promising"}),
            ("244", {"needs_attention"}),
            ("111", {"hibernating"}),
            ("333", set()),
        ],
    )
    def test_cells(self, cell: str, segments: set[str]) -> None:
        assert self.held(cell) == segments

    def test_nobody_is_judged_before_the_first_scoring(self) -> None:
        assert self.held(None) == set()

    def test_habits(self) -> None:
        assert self.held(coupon_share=0.3, weekend_share=0.6, usual_store_share=0.8) == {
            "coupon_users",
            "weekend_shoppers",
            "one_store_shoppers",
        }

    def test_a_few_visits_are_no_habit(self) -> None:
        traits = Traits(NOTHING, Habits(visits=4, weekend_share=1.0, usual_store_share=1.0), None)
        assert segments_of(traits) == ()

    def test_returning_a_fifth_of_the_time_is_frequent(self) -> None:
        assert self.held(figures=Figures(receipts=10, returns=2)) == {"frequent_returners"}
        assert self.held(figures=Figures(receipts=10, returns=1)) == set()

    def test_ids_are_distinct(self) -> None:
        assert len(BY_ID) == len(SEGMENTS)


class TestTransitions:
    def test_the_first_stage_and_segments_are_entered(self) -> None:
        found = transitions_to(SOMEBODY, {}, "new", ["champions"], NOW)
        assert [(each.kind, each.n, each.before, each.state) for each in found] == [
            ("lifecycle", 1, None, "new"),
            ("segment:champions", 1, None, "in"),
        ]

    def test_nothing_changed_is_nothing_said(self) -> None:
        said = {"lifecycle": Said(1, "new"), "segment:champions": Said(3, "in"), "segment:old": Said(2, "out")}
        assert transitions_to(SOMEBODY, said, "new", ["champions"], NOW) == []

    def test_leaving_goes_on_counting(self) -> None:
        found = transitions_to(SOMEBODY, {"segment:gone_rule": Said(3, "in")}, "new", [], NOW)
        assert ("segment:gone_rule", 4, "out") in [(each.kind, each.n, each.state) for each in found]

    def test_a_segment_never_entered_is_not_left(self) -> None:
        found = transitions_to(SOMEBODY, {"lifecycle": Said(1, "new")}, "active", [], NOW)
        assert [each.kind for each in found] == ["lifecycle"]


class TestConsents:
    @staticmethod
    def consent(state: str, days: int, channel: str = "email") -> Consent:
        return Consent(channel, "marketing", state, None, NOW + timedelta(days=days))

    def test_a_withdrawal_is_the_stricter(self) -> None:
        both = [self.consent("granted", 5), self.consent("withdrawn", 1)]
        assert fold_consents(both) == fold_consents(both[::-1]) == [both[1]]

    def test_the_latest_grant_is_shown(self) -> None:
        assert fold_consents([self.consent("granted", 1), self.consent("granted", 5)])[0].since > NOW + timedelta(
            days=4
        )

    def test_channels_stand_apart(self) -> None:
        found = fold_consents([self.consent("granted", 1, "sms"), self.consent("withdrawn", 1)])
        assert [(each.channel, each.state) for each in found] == [("email", "withdrawn"), ("sms", "granted")]
