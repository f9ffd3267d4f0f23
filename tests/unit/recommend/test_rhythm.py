"""When things are needed again: occasions, the renewal process, probabilities that can be taken at their word."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of, type_keys, type_names
from services.recommend.domain.products import Product
from services.recommend.generators.rhythm import (
    FEATURES,
    HORIZONS_DAYS,
    KEPT_DAYS,
    Occasions,
    Rhythms,
    Shopping,
    expected,
    features,
    occasions_of,
    posterior,
    shopping_of,
)
from services.recommend.history import Floats, History
from services.recommend.training.dataset import Dataset, dataset_of
from services.recommend.training.rhythm import fit_rhythms, learned_rhythms, logistic, moment_at, priors
from tests.unit.recommend.factories import dataset, day, past_of, receipt, town

INDEX = {"milk": 0, "soap": 1, "tea": 2}
FIRST = 20_454.5
"""The factories' first moment, in days since 1970."""


def history(**days: list[float]) -> History:
    made = [receipt(f"{name}-{at:08.3f}", at, name) for name, all_days in days.items() for at in all_days]
    return past_of(made).history(INDEX, {"S1": 0})


def occasions(**days: list[float]) -> Occasions:
    mine = history(**days)
    return occasions_of(mine.at, mine.product)


def table(log_gap: float = float(np.log(10)), within: float = 0.5, between: float = 0.3) -> Rhythms:
    """Three products of one usual gap; the probability is the renewal process's own."""
    weights = np.zeros((len(HORIZONS_DAYS), len(FEATURES) + 1))
    weights[:, 1 + FEATURES.index("renewal")] = 1.0
    flat = np.full(len(INDEX) + 1, log_gap)
    columns = np.zeros(len(FEATURES)), np.ones(len(FEATURES))
    return Rhythms(flat, np.zeros(len(INDEX) + 1), np.array([within, between]), *columns, weights)


SHOPPING = Shopping(visit_rate=0.3, silence_days=2.0)


def test_purchases_of_one_day_are_one_occasion() -> None:
    found = occasions(milk=[0, 0.1, 9, 18])
    assert (found.count.tolist(), found.median_gap.tolist()) == ([3], [9.0])


def test_only_the_latest_days_are_kept() -> None:
    found = occasions(milk=[float(n) for n in range(KEPT_DAYS + 10)])
    assert found.count.tolist() == [KEPT_DAYS]
    assert found.last_day.tolist() == [np.floor(FIRST) + KEPT_DAYS + 9]


def test_products_of_one_type_make_one_rhythm() -> None:
    mine = history(milk=[0, 14], soap=[7, 21], tea=[3])
    found = occasions_of(mine.at, np.array([0, 0, -1])[mine.product])
    assert (found.keys.tolist(), found.count.tolist(), found.median_gap.tolist()) == ([0], [4], [7.0])


def test_nobody_has_no_occasions() -> None:
    nothing = occasions_of(past_of([]).history(INDEX, {}).at, np.empty(0, np.int64))
    assert nothing.keys.size == 0
    assert expected(nothing, SHOPPING, table(), FIRST).probability.shape == (len(HORIZONS_DAYS), 0)


def test_a_newer_gap_says_more_than_an_older_one() -> None:
    slowing, quickening = occasions(milk=[0, 2, 4, 24, 44]), occasions(milk=[0, 20, 40, 42, 44])
    assert posterior(slowing, table())[0] > posterior(quickening, table())[0]


def test_few_gaps_are_drawn_towards_what_is_usual() -> None:
    usual = table()
    once, often = occasions(milk=[0, 40]), occasions(milk=[0, 40, 80, 120, 160, 200])
    means = [float(np.exp(posterior(found, usual)[0][0])) for found in (once, often)]
    assert 10 < means[0] < means[1] < 40


def test_a_single_purchase_has_the_usual_gap_and_the_widest_spread() -> None:
    mean, deviation = posterior(occasions(milk=[0]), table())
    assert np.exp(mean) == pytest.approx(10)
    assert deviation == pytest.approx(np.sqrt(0.5 + 0.3))


def test_a_product_newer_than_the_version_has_everybodys_gap() -> None:
    rhythms = replace(table(), log_gap=np.array([1.0, 1.0, 1.0, 3.0]))
    new = replace(occasions(milk=[0]), keys=np.array([77]))
    assert posterior(new, rhythms)[0].tolist() == [3.0]


@given(
    st.lists(st.integers(0, 400), min_size=1, max_size=30),
    st.integers(0, 400),
    st.floats(0.5, 6.0),
    st.floats(0.1, 2.0),
)
def test_probabilities_are_probabilities_and_grow_with_the_horizon(
    days: list[int], later: int, log_gap: float, within: float
) -> None:
    found = expected(
        occasions(milk=[float(each) for each in days]), SHOPPING, table(log_gap, within), FIRST + max(days) + later
    )
    assert ((found.probability >= 0) & (found.probability <= 1)).all()
    assert (np.diff(found.probability, axis=0) >= 0).all()
    assert np.isfinite(found.days_high).all()
    assert (found.days_low <= found.days).all()
    assert (found.days <= found.days_high).all()
    assert (found.days_low >= 0).all()


def test_a_product_is_expected_after_its_gap_and_later_the_longer_it_is_missed() -> None:
    found = occasions(milk=[0, 10, 20, 30, 40, 50])
    soon, late = (expected(found, SHOPPING, table(), FIRST + at) for at in (52, 90))
    assert 6 < soon.days[0] < 10
    assert late.days[0] > soon.days[0]


def test_visits_are_days_and_silence_counts_from_the_last() -> None:
    shopping = shopping_of(history(milk=[0, 0.2, 7, 14]), FIRST + 20)
    assert shopping.silence_days == 6.0
    assert shopping.visit_rate == pytest.approx((3 + 0.5) / (20 + 7))


def test_who_never_shopped_hardly_visits() -> None:
    assert shopping_of(past_of([]).history(INDEX, {}), FIRST).visit_rate < 0.01


def test_features_are_finite_on_the_day_of_the_purchase_itself() -> None:
    assert np.isfinite(features(occasions(milk=[0, 3]), SHOPPING, table(), FIRST + 3)).all()


def test_logistic_finds_the_odds() -> None:
    draw = np.random.default_rng(3)
    x = draw.standard_normal((20_000, 2))
    chance = 1 / (1 + np.exp(-(-1.0 + 2.0 * x[:, 0])))
    weights = logistic(x, (draw.random(x.shape[0]) < chance).astype(np.float64))
    assert weights == pytest.approx([-1.0, 2.0, 0.0], abs=0.1)


def test_logistic_of_what_never_happens_says_never() -> None:
    weights = logistic(np.random.default_rng(3).standard_normal((500, 2)), np.zeros(500))
    assert 1 / (1 + np.exp(-weights[0])) < 0.001


def shoppers(seed: int = 5, customers: int = 150, weeks: int = 36) -> pl.DataFrame:
    """Customers who come weekly; each buys every product again after log-normal gaps around its usual one."""
    draw = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        for product, usual in ((f"P{n:02d}", 6.0 + 3 * n) for n in range(8)):
            own, at = usual * np.exp(0.4 * draw.standard_normal()), float(draw.random() * 20)
            while at < 7 * weeks:
                rows.append((f"C{customer:03d}", f"B{customer}-{int(at)}", product, "S0", day(int(at))))
                at += max(own * float(np.exp(0.5 * draw.standard_normal())), 1.0)
    columns = ["customer_id", "basket_id", "product_id", "store_id", "at"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("at").dt.cast_time_unit("us"))


@pytest.fixture(scope="module")
def shop() -> Dataset:
    return dataset_of(shoppers())


def chances(shop: Dataset, rhythms: Rhythms, now: float) -> tuple[Floats, Floats]:
    """Return (probability within 14 days, bought within 14 days) of everything with a gap."""
    moment = moment_at(shop, np.arange(len(shop.product_ids)), now)
    said, came = [], []
    for found, shopping, until in zip(moment.occasions, moment.shopping, moment.days_until, strict=True):
        use = found.count > 1
        said.append(expected(found, shopping, rhythms, now).probability[1, use])
        came.append((until[use] < HORIZONS_DAYS[1]).astype(float))
    return np.concatenate(said), np.concatenate(came)


def test_probabilities_come_true_on_days_not_seen(shop: Dataset) -> None:
    now = FIRST + 7 * 36 - 35
    rhythms = fit_rhythms(shop, np.arange(len(shop.product_ids)), len(shop.product_ids), now)
    assert rhythms is not None
    said, came = chances(shop, rhythms, now)
    assert said.mean() == pytest.approx(came.mean(), abs=0.05)
    high = said > np.quantile(said, 0.8)
    assert came[high].mean() == pytest.approx(said[high].mean(), abs=0.07)
    assert ((said - came) ** 2).mean() < 0.9 * came.mean() * (1 - came.mean())


def test_nothing_after_the_moment_is_looked_at(shop: Dataset) -> None:
    """What is bought later may be anything at all: the fit stays the same."""
    now = FIRST + 7 * 36 - 60
    keys = np.arange(len(shop.product_ids))
    disturbed = shop.product.copy()
    later = np.repeat(shop.at >= now, shop.sizes)
    disturbed[later] = np.random.default_rng(1).integers(0, keys.size, int(later.sum()))
    one, two = (fit_rhythms(each, keys, keys.size, now) for each in (shop, replace(shop, product=disturbed)))
    assert one is not None
    assert two is not None
    assert np.array_equal(one.weights, two.weights)
    assert np.array_equal(one.log_gap, two.log_gap)


def test_usual_gaps_are_found(shop: Dataset) -> None:
    now = FIRST + 7 * 36
    moment = moment_at(shop, np.arange(len(shop.product_ids)), now, until=now)
    learned = np.exp(priors(moment.occasions, len(shop.product_ids)).log_gap[:-1])
    assert (np.diff(learned) > 0).all()
    assert learned[0] == pytest.approx(6.0, rel=0.25)


def test_too_few_weeks_teach_no_rhythm(shop: Dataset) -> None:
    assert fit_rhythms(shop, np.arange(len(shop.product_ids)), len(shop.product_ids), FIRST + 60) is None


def test_both_levels_are_learned() -> None:
    lines, goods = dataset(town())
    names = type_names(goods)
    learned = learned_rhythms(lines, type_keys(goods, names), len(names), FIRST + 200)
    assert learned.products is not None
    assert learned.types is not None
    assert learned.types.log_gap.size == len(names) + 1


def test_types_keep_their_places_when_the_catalogue_grows() -> None:
    known = {"a": Product("a", product_type="tea"), "b": Product("b", product_type="milk")}
    names = type_names(assortment_of(["a", "b"], known))
    grown = assortment_of(["c", "b", "d"], known | {"c": Product("c", product_type="beer")})
    assert type_keys(grown, names).tolist() == [-1, names.index("milk"), -1]
