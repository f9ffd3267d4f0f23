"""Generators on hand-made histories."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import Receipt
from services.recommend.generators import own_products, sized, tifu, upcf
from services.recommend.generators.basket_items import baskets_matrix, companions_of
from services.recommend.generators.ials import FactorSettings, factors_of
from services.recommend.generators.item_vectors import ItemIndex, content_vectors, item_vectors, preferred
from services.recommend.generators.neighbours import (
    Profiles,
    SparseVector,
    dot_products,
    nearest,
    profiles_of,
)
from services.recommend.generators.popular import popularity_of
from services.recommend.history import History, Ints, ranges
from tests.unit.recommend.factories import catalogue, past_of, receipt

INDEX = {name: n for n, name in enumerate("abcdef")}
NOW = 20_454.5 + 20  # twenty days after the factories' first day


def history(*made: Receipt) -> History:
    return past_of(made).history(INDEX, {"S1": 0})


def ints(*values: int) -> Ints:
    return np.array(values, np.int64)


def test_personal_top_is_the_share_of_baskets() -> None:
    mine = history(receipt("R1", 0, "a", "b"), receipt("R2", 1, "a"), receipt("R3", 2, "a"), receipt("R4", 3, "c"))
    assert own_products.personal_top(mine).tolist() == [0.75, 0.25, 0.25]


def test_recent_top_prefers_what_was_bought_lately() -> None:
    mine = history(*(receipt(f"R{n:02d}", n, "a" if n < 8 else "b") for n in range(16)))
    old, new = own_products.recent_top(mine)
    assert new > old


def test_due_ratio_is_days_since_over_usual_gap() -> None:
    mine = history(receipt("R1", 0, "a", "b"), receipt("R2", 5, "a"), receipt("R3", 10, "a"))
    assert own_products.due_ratio(mine, NOW).tolist() == pytest.approx([2.0, 0.0])


def test_tifu_vector_is_the_decayed_mean_of_groups() -> None:
    """Two baskets make two groups: the older one counts 0.8 of the newer, both divided by two."""
    vector = tifu.vector_of(history(receipt("R1", 0, "a"), receipt("R2", 1, "a", "b")))
    assert vector.weights.tolist() == pytest.approx([(1 + 0.8) / 2, 1 / 2])


def test_tifu_groups_hold_several_baskets_past_ten() -> None:
    vector = tifu.vector_of(history(*(receipt(f"R{n:02d}", n, "a") for n in range(20))))
    assert vector.weights.tolist() == pytest.approx([sum(0.8**group for group in range(10)) / 10])


def test_neighbours_bring_what_the_customer_never_bought() -> None:
    mine = history(receipt("R1", 0, "a", "b"), receipt("R2", 1, "a", "b"))
    alike = history(receipt("R3", 0, "a", "b", "c"), receipt("R4", 1, "a", "b", "c"))
    other = history(receipt("R5", 0, "d", "e"))
    people = [mine, alike, other]
    for scores in (
        tifu.scores(profiles_of([tifu.vector_of(h) for h in people], 6), tifu.vector_of(mine), 0, 6),
        upcf.scores(profiles_of([upcf.vector_of(h) for h in people], 6), upcf.vector_of(mine), 0, 6),
        sized.scores(profiles_of([sized.vector_of(h) for h in people], 6), sized.vector_of(mine), 0, 6),
    ):
        assert scores[INDEX["c"]] > scores[INDEX["f"]]
        assert scores[INDEX["a"]] == scores.max()


def test_customer_is_no_neighbour_of_their_own() -> None:
    assert nearest(np.array([9.0, 1.0, 2.0]), 2, own_row=0).tolist() == [2, 1]
    assert nearest(np.array([9.0]), 5, own_row=0).size == 0


def test_dot_products_touch_only_shared_and_known_products() -> None:
    people = [
        sized.vector_of(history(receipt("R1", 0, "a"))),
        sized.vector_of(history(receipt("R2", 0, "b"))),
    ]
    profiles = profiles_of(people, 2)
    asked = sized.vector_of(history(receipt("R3", 0, "a", "f")))
    found = dot_products(profiles, asked)
    assert found[0] > 0
    assert found[1] == 0


def test_purchase_in_a_small_basket_is_worth_more() -> None:
    alone, crowd = sized.hit_value(ints(1, 20))
    assert alone == pytest.approx(1.0)
    assert crowd < 0.2


def test_upcf_looks_at_the_last_fifty_baskets() -> None:
    mine = history(*(receipt(f"R{n:03d}", n, "b" if n % 3 == 0 else "c") for n in range(20)))
    assert upcf.vector_of(mine).weights.sum() == pytest.approx(1.0)
    older = history(*(receipt(f"R{n:03d}", n, "a" if n < 10 else f"{'bcdef'[n % 5]}") for n in range(60)))
    assert upcf.vector_of(older).weights.tolist() == pytest.approx([0.0, 0.2, 0.2, 0.2, 0.2, 0.2])


def test_only_the_kept_purchases_of_a_product_speak() -> None:
    """Twenty purchases of a product are kept: one bought on every one of 60 trips counts for the last twenty."""
    mine = history(*(receipt(f"R{n:03d}", n, "a") for n in range(60)))
    assert upcf.vector_of(mine).weights.tolist() == pytest.approx([20 / 50])
    assert own_products.personal_top(mine).tolist() == [1.0]


def test_empty_history_gives_empty_vectors() -> None:
    nobody = history()
    assert tifu.vector_of(nobody).weights.size == upcf.vector_of(nobody).weights.size == 0
    assert sized.scores(profiles_of([], 6), sized.vector_of(nobody), None, 6).tolist() == [0.0] * 6


def test_ranges_are_joined() -> None:
    assert ranges(ints(3, 0, 7), ints(2, 0, 1)).tolist() == [3, 4, 7]


def test_popularity_counts_windows_and_stores_apart() -> None:
    found = popularity_of(ints(0, 0, 1), ints(0, 1, 1), np.array([1.0, 20.0, 3.0]), np.ones(3), 3, 2)
    assert found.chain[0].tolist() == [0.5, 0.5, 0.0]
    assert found.chain[1].tolist() == pytest.approx([2 / 3, 1 / 3, 0.0])
    assert found.in_store(0, 3).tolist() == [1.0, 0.0, 0.0]
    assert found.in_store(1, 3)[1] > found.in_store(1, 3)[0] > 0  # the older purchase has faded
    assert found.in_store(-1, 3).sum() == 0


def test_popularity_refuses_the_future() -> None:
    with pytest.raises(ValueError, match="before its moment"):
        popularity_of(ints(0), ints(0), np.array([-1.0]), np.ones(1), 1, 1)


def test_trending_puts_a_riser_before_a_steady_seller() -> None:
    product = np.repeat(ints(0, 0, 1, 1), (10, 30, 10, 0))
    age = np.concatenate((np.full(10, 1.0), np.full(30, 20.0), np.full(10, 1.0)))
    found = popularity_of(product, np.zeros(50, np.int64), age, np.ones(50), 2, 1)
    assert found.trending(2)[1] > found.trending(2)[0]


def test_companions_of_bread_is_butter() -> None:
    baskets = [[0, 1]] * 20 + [[2, 3]] * 20 + [[0, 2]] * 3 + [[1]] * 5
    starts = np.cumsum([0, *map(len, baskets)]).astype(np.int64)
    matrix = baskets_matrix(starts, np.array([product for basket in baskets for product in basket], np.int64), 4)
    for table in (companions_of(matrix, ridge=1.0), companions_of(matrix, ease_products=0)):
        scores = table.scores(ints(0), 4)
        assert scores.argmax() == 1
        assert scores[0] == 0


def test_companions_skip_products_newer_than_the_table() -> None:
    table = companions_of(baskets_matrix(ints(0, 2), ints(0, 1), 2))
    assert table.scores(ints(5), 6).tolist() == [0.0] * 6


def test_similar_by_content_finds_the_same_kind() -> None:
    known = catalogue(20)
    index = ItemIndex.of(item_vectors(None, assortment_of(sorted(known), known)))
    found, scores = index.similar(ints(0), 3)
    types = {known[f"P{n:03d}"].product_type for n in found.tolist()}
    assert types == {"type 0"}
    assert 0 not in found.tolist()
    assert (np.diff(scores) <= 1e-6).all()


def test_product_without_attributes_is_similar_to_nothing() -> None:
    index = ItemIndex.of(content_vectors([Product("x"), Product("y", category="c")]))
    assert index.similar(ints(0), 5)[0].size == 0


def test_nothing_asked_nothing_similar() -> None:
    assert ItemIndex.of(content_vectors([Product("y", category="c")])).similar(ints(), 5)[0].size == 0


def test_what_did_not_sell_this_month_comes_after_what_did_and_before_what_never_did() -> None:
    found = popularity_of(ints(0, 1, 1), ints(0, 0, 0), np.array([5.0, 60.0, 70.0]), np.ones(3), 3, 1)
    assert np.argsort(-found.lately, kind="stable").tolist() == [0, 1, 2]
    assert found.lately[2] == 0


def test_of_what_a_store_sells_what_the_chain_sells_too_comes_first() -> None:
    """Store 0 sold one each of products 0, 1 and 2; the chain sells mostly product 1, and as much of product 3."""
    product, store = ints(0, 1, 2, 1, 3), ints(0, 0, 0, 1, 1)
    found = popularity_of(product, store, np.full(5, 3.0), np.array([1.0, 1, 1, 9, 9]), 4, 2).sold_in_store(0, 6)
    assert found.argmax() == 1
    assert found[0] == found[2] > 0
    assert not found[3:].any()


@given(
    lines=st.lists(st.tuples(st.integers(0, 5), st.integers(-1, 2), st.floats(0, 90)), max_size=30),
    store=st.integers(-1, 4),
)
def test_a_store_names_only_what_it_sells(lines: list[tuple[int, int, float]], store: int) -> None:
    product, stores = ints(*(line[0] for line in lines)), ints(*(line[1] for line in lines))
    ages = np.array([line[2] for line in lines], np.float64)
    known = popularity_of(product, stores, ages, np.ones(ages.size), 6, 3)
    found = known.sold_in_store(store, 8)
    sold = {line[0] for line in lines if line[1] == store >= 0 and line[2] <= 84}
    assert set(np.flatnonzero(found).tolist()) == sold
    assert ((known.liked >= 0) & (known.liked <= 1)).all()


def test_what_is_bought_more_is_liked_more_and_what_is_not_bought_is_not() -> None:
    found = popularity_of(ints(0, 1, 2), ints(0, 0, 0), np.zeros(3), np.array([100.0, 10.0, 1.0]), 4, 1).liked
    assert found[0] == pytest.approx(1)
    assert found[0] > found[1] > found[2] > found[3] == 0
    nothing = popularity_of(ints(), ints(), np.empty(0), np.empty(0), 4, 1).liked
    assert nothing.tolist() == [0.0] * 4


def test_of_two_products_as_similar_the_more_bought_comes_first_but_not_before_a_much_nearer_one() -> None:
    liked = np.array([0.0, 0.1, 1.0, 0.5])
    products, scores = preferred(ints(0, 1, 2, 3), np.array([0.9, 0.4, 0.4, 0.4]), liked)
    assert products.tolist() == [0, 2, 3, 1]
    assert (np.diff(scores) <= 0).all()


def test_ties_of_a_month_are_broken_by_the_quarter_then_by_place() -> None:
    found = popularity_of(ints(0, 1, 2, 1), ints(0, 0, 0, 0), np.array([5.0, 5.0, 5.0, 60.0]), np.ones(4), 3, 1)
    assert np.argsort(-found.lately, kind="stable").tolist() == [1, 0, 2]


def test_vector_of_a_product_depends_on_no_other_product() -> None:
    several = [
        Product("x"),
        Product("y", category="c", brand="b"),
        *catalogue(20).values(),
        Product("z", category="c"),
    ]
    together = content_vectors(several)
    for row, product in enumerate(several):
        assert together[row].tolist() == content_vectors([product])[0].tolist()
    assert not together[0].any()
    assert np.allclose(np.linalg.norm(together[1:], axis=1), 1)


def test_the_same_kind_comes_first_and_baskets_order_what_the_catalogue_says_alike() -> None:
    """P000 and P001 lie together in every basket; P030 and P060 are as P000, P031 and P061 as P001, by attributes."""
    draw = np.random.default_rng(5)
    baskets = (draw.random((200, 80)) < 0.1).astype(np.float32)
    baskets[:, 1] = baskets[:, 0]
    known = catalogue(80)
    index = ItemIndex.of(item_vectors(sp.csr_matrix(baskets), assortment_of(sorted(known), known)))
    found = index.similar(ints(0), 79)[0].tolist()
    assert set(found[:2]) == {30, 60}
    assert found.index(1) < min(found.index(31), found.index(61))


def two_tastes() -> Profiles:
    """Customers 0..9 buy products 0..4, customers 10..19 products 5..9; each has left one of them out."""
    rows = []
    for customer in range(20):
        mine = np.arange(5) + 5 * (customer // 10)
        kept = np.delete(mine, customer % 5)
        rows.append(SparseVector(kept, np.full(4, 0.5)))
    return profiles_of(rows, 10)


def test_factors_find_what_others_of_the_same_taste_buy() -> None:
    found = factors_of(two_tastes(), FactorSettings(factors=4, sweeps=8, ridge=0.1, confidence=20.0))
    for customer in range(20):
        scores = found.scores(customer)
        mine = np.arange(5) + 5 * (customer // 10)
        others = np.setdiff1d(np.arange(10), mine)
        assert scores[mine].min() > scores[others].max()


def test_more_confidence_comes_closer_to_what_was_bought() -> None:
    bought = two_tastes()
    far, near = (
        factors_of(bought, FactorSettings(factors=4, sweeps=8, ridge=1.0, confidence=confidence))
        for confidence in (0.1, 50.0)
    )
    own = bought.products[: bought.indptr[1]]
    assert np.abs(1 - near.scores(0)[own]).mean() < np.abs(1 - far.scores(0)[own]).mean()


def test_every_vector_is_the_best_with_the_others_fixed() -> None:
    """The gradient of the weighted least squares by a customer's vector is zero."""
    bought, settings = two_tastes(), FactorSettings(factors=3, sweeps=2, ridge=0.5, confidence=10.0)
    found = factors_of(bought, settings)
    mine = slice(bought.indptr[0], bought.indptr[1])
    wanted, weight = np.zeros(10), np.ones(10)
    wanted[bought.products[mine]] = 1
    weight[bought.products[mine]] += settings.confidence * bought.weights[mine]
    error = weight * (found.scores(0) - wanted)
    gradient = found.products.T @ error + settings.ridge * found.customers[0]
    assert np.abs(gradient).max() < 1e-3


def test_customer_without_purchases_has_no_factors() -> None:
    rows = [SparseVector(ints(0), np.ones(1)), SparseVector(ints(), np.empty(0))]
    bought = profiles_of(rows, 2)
    assert not factors_of(bought, FactorSettings(factors=2)).scores(1).any()
