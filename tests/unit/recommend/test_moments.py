"""Visits at such a moment, and what was popular at the moment of each target."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.history import History
from services.recommend.knowledge import Knowledge, learn, popularity_before
from services.recommend.ranking import visits
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, features_at, prepared
from services.recommend.ranking.shoppers import shopper_of
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.origins import Origin, by_day, knowledge_at, origin_at, origin_before_last, shoppers
from tests.unit.recommend.factories import START, dataset, day, past_of, receipt, town
from tests.unit.recommend.test_training import noisy_after

KNOWN = {name: Product(name, product_type=f"kind of {name}") for name in ("flour", "lunch", "oil", "salt", "week")}
ASSORTMENT = assortment_of(list(KNOWN), KNOWN)
TIMES = st.lists(st.floats(0, 200, width=32), min_size=1, max_size=20, unique=True)
LINES = town(customers=12)
ONE_BASKET = pl.DataFrame({"product_id": list(KNOWN)}).with_columns(
    customer_id=pl.lit("C1"), basket_id=pl.lit("B1"), store_id=pl.lit("S1"), at=pl.lit(START)
)
LEARNED = learn(dataset_of(ONE_BASKET), ASSORTMENT, days_since_epoch(day(1)))


def history_at(*times: float) -> History:
    made = [receipt(f"R{n:02d}", at, "lunch") for n, at in enumerate(sorted(times))]
    return past_of(made).history(ASSORTMENT.index, {"S1": 0})


def weight(history: History, now: float, name: str) -> np.ndarray:
    found: np.ndarray = visits.alike(history, now)[:, visits.ALIKE.index(name)]
    return found


@pytest.fixture(scope="module")
def built() -> tuple[Dataset, Assortment]:
    return dataset(LINES)


@pytest.fixture(scope="module")
def origin(built: tuple[Dataset, Assortment]) -> Origin:
    return origin_before_last(built[0])


@pytest.fixture(scope="module")
def knowledge(built: tuple[Dataset, Assortment], origin: Origin) -> Knowledge:
    return knowledge_at(*built, origin)


@given(times=TIMES, ahead=st.floats(0, 60))
@settings(max_examples=80)
def test_weights_of_a_moment_are_shares(times: list[float], ahead: float) -> None:
    history = history_at(*times)
    found = visits.alike(history, float(history.basket_at[-1]) + ahead)
    assert found.shape == (len(times), len(visits.ALIKE))
    assert (found > 0).all()
    assert found.sum(axis=0) == pytest.approx(np.ones(len(visits.ALIKE)))


@given(times=TIMES, ahead=st.floats(0, 60), weeks=st.integers(1, 8))
@settings(max_examples=60)
def test_whole_weeks_later_time_of_day_and_week_are_the_same(times: list[float], ahead: float, weeks: int) -> None:
    history = history_at(*times)
    now = float(history.basket_at[-1]) + ahead
    for name in ("hour", "week"):
        assert weight(history, now, name) == pytest.approx(weight(history, now + 7 * weeks, name), abs=1e-6)


def test_visit_at_the_same_time_of_day_says_more_than_one_at_another() -> None:
    history = history_at(0.0, 1.5)
    at_noon, at_night = (weight(history, float(history.basket_at[0]) + later, "hour") for later in (4.0, 4.5))
    assert at_noon[0] > 0.9
    assert at_night[1] > 0.9


def test_midnight_does_not_part_late_evening_from_early_morning() -> None:
    # START is noon: half a day later it is midnight.
    history = history_at(0.48, 1.0)
    just_after = float(history.basket_at[0]) + 3.04
    assert weight(history, just_after, "hour")[0] > 0.9


def test_visit_on_the_same_day_of_the_week_says_more() -> None:
    history = history_at(0.0, 3.0)
    same_day = float(history.basket_at[0]) + 14
    assert weight(history, same_day, "week")[0] > 0.9
    assert weight(history, same_day + 3, "week")[1] > 0.9


def test_after_a_short_silence_visits_after_short_silences_say_more() -> None:
    history = history_at(0.0, 10.0, 11.0, 21.0, 22.0)
    last = float(history.basket_at[-1])
    after_short, after_long = (weight(history, last + silence, "silence") for silence in (1.0, 10.0))
    is_short = np.array([False, False, True, False, True])
    assert after_short[is_short].sum() > 0.9
    assert after_long[~is_short].sum() > 0.9


def test_worth_counts_small_baskets_for_more() -> None:
    alone = [receipt(f"L{n:02d}", 2 * n, "lunch") for n in range(6)]
    together = [receipt(f"W{n:02d}", 2 * n + 1, "week", "flour", "salt", "oil") for n in range(6)]
    history = past_of(alone + together).history(ASSORTMENT.index, {"S1": 0})
    lunch, week = (_column(history, "product.at_such_worth")[ASSORTMENT.index[name]] for name in ("lunch", "week"))
    assert lunch > 1.5 * week > 0


def test_nobody_known_has_no_visit_like_this_one() -> None:
    history = past_of([]).history(ASSORTMENT.index, {})
    assert not _column(history, "product.at_such_hour").any()


def test_clock_that_stands_before_the_last_visit_is_a_short_silence() -> None:
    history = history_at(0.0, 10.0)
    last = float(history.basket_at[-1])
    assert weight(history, last - 1, "silence") == pytest.approx(weight(history, last, "silence"))


def test_feature_tells_what_is_bought_at_noon_from_what_is_bought_on_saturdays() -> None:
    lunches = [receipt(f"L{n:02d}", n, "lunch") for n in range(12)]
    evenings = [receipt(f"W{n:02d}", n + 0.4, "week") for n in range(12)]
    history = past_of(lunches + evenings).history(ASSORTMENT.index, {"S1": 0})
    at_noon = _column(history, "product.at_such_hour")
    assert at_noon[ASSORTMENT.index["lunch"]] > 0.9
    assert at_noon[ASSORTMENT.index["week"]] < 0.1


def _column(history: History, name: str, at: float = 14.0) -> np.ndarray:
    """Return a feature of both products so many days after the beginning, which is at noon."""
    visit = prepared(shopper_of(history, LEARNED, None), np.arange(len(ASSORTMENT)), LEARNED)
    return features_at(visit, days_since_epoch(day(at)))[:, FEATURE_NAMES.index(name)]


def test_every_target_comes_once_and_days_follow_each_other(
    built: tuple[Dataset, Assortment], knowledge: Knowledge, origin: Origin
) -> None:
    parts = list(by_day(built[0], knowledge, origin))
    assert len(parts) > 1
    targets = [target for _, part in parts for target in part.targets]
    assert sorted(targets, key=lambda target: target.customer) == list(origin.targets)
    assert [int(target.now) for target in targets] == sorted(int(target.now) for target in targets)
    assert all(len({int(target.now) for target in part.targets}) == 1 for _, part in parts)


def test_popularity_is_that_of_the_morning_and_all_else_stays(
    built: tuple[Dataset, Assortment], knowledge: Knowledge, origin: Origin
) -> None:
    for known, part in by_day(built[0], knowledge, origin):
        morning = float(int(part.targets[0].now))
        expected = popularity_before(built[0], morning, np.minimum(origin.ends, morning))
        assert known.popularity.chain.tolist() == expected.chain.tolist()
        assert known.popularity.store_shares.tolist() == expected.store_shares.tolist()
        assert replace(known, popularity=knowledge.popularity) == knowledge


def test_one_cut_for_all_is_one_day_with_what_was_learned(built: tuple[Dataset, Assortment]) -> None:
    cut = origin_at(built[0], days_since_epoch(day(150)))
    known = knowledge_at(*built, cut)
    ((same, part),) = by_day(built[0], known, cut)
    assert same is known
    assert part is cut


def test_nothing_of_the_same_day_or_later_reaches_a_target(
    built: tuple[Dataset, Assortment], knowledge: Knowledge, origin: Origin
) -> None:
    noon = day(206)
    many = dataset_of(noisy_after(LINES, noon))
    assert many.product_ids == built[0].product_ids
    before, after = (_rows(data, knowledge, origin, days_since_epoch(noon)) for data in (built[0], many))
    assert before.keys() == after.keys()
    assert before
    assert all(np.array_equal(before[customer], after[customer], equal_nan=True) for customer in before)


def _rows(data: Dataset, knowledge: Knowledge, origin: Origin, until: float) -> dict[int, np.ndarray]:
    found = {}
    for known, part in by_day(data, knowledge, origin):
        for target, shopper in shoppers(data, known, part):
            visit = prepared(shopper, candidates_of(shopper, known.popularity), known)
            found[target.customer] = features_at(visit, target.now)
    return {target.customer: found[target.customer] for target in origin.targets if target.now < until}
