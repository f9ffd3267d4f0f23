"""V-SKNN on sessions that can be worked out by hand."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.generators.vsknn import Sessions, sessions_of, with_companions
from services.recommend.history import Ints

PRODUCTS = 6


def sessions(*baskets: list[int], kept: int = 100) -> Sessions:
    starts = np.cumsum([0, *(len(basket) for basket in baskets)])
    lines = np.array([product for basket in baskets for product in basket], np.int64)
    return sessions_of(starts, lines, PRODUCTS, kept)


def opened(*products: int) -> Ints:
    return np.array(products, np.int64)


def test_what_like_sessions_hold_besides_comes_first() -> None:
    scores = sessions([0, 1], [0, 1], [0, 2], [3, 4], [3, 4], [3, 5]).scores(opened(0), PRODUCTS)
    assert scores[1] > scores[2] > 0
    assert scores[3] == scores[4] == scores[0] == 0


def test_the_latest_product_weighs_most() -> None:
    known = sessions([0, 2], [1, 3], [4, 5])
    assert known.scores(opened(0, 1), PRODUCTS)[3] > known.scores(opened(0, 1), PRODUCTS)[2]
    assert known.scores(opened(1, 0), PRODUCTS)[2] > known.scores(opened(1, 0), PRODUCTS)[3]


def test_a_rare_product_says_more_than_a_common_one() -> None:
    known = sessions([0, 2], [0, 4], [0, 5], [1, 3], [4, 5])
    scores = known.scores(opened(1, 0), PRODUCTS)
    assert known.rarity[1] > known.rarity[0]
    assert scores[3] > scores[2]


def test_sessions_of_one_product_tell_nothing_and_old_ones_go() -> None:
    assert sessions([0], [1, 2]).session_count == 1
    kept = sessions([0, 1], [0, 2], [0, 3], [4, 5], kept=3)
    assert kept.session_count == 3
    assert kept.scores(opened(0), PRODUCTS)[1] == 0


def test_only_the_most_recent_matches_are_sampled() -> None:
    known = sessions([0, 1], [0, 2], [3, 4])
    assert known.scores(opened(0), PRODUCTS, sampled=1)[1] == 0
    assert known.scores(opened(0), PRODUCTS, sampled=1)[2] > 0


def test_nothing_open_or_nothing_known_scores_nothing() -> None:
    known = sessions([0, 1], [2, 3])
    assert not known.scores(opened(), PRODUCTS).any()
    assert not known.scores(opened(77), PRODUCTS).any()
    assert not sessions().scores(opened(0), PRODUCTS).any()


def test_products_newer_than_the_index_are_left_at_zero() -> None:
    scores = sessions([0, 1], [2, 3]).scores(opened(0, 7), PRODUCTS + 2)
    assert scores.size == PRODUCTS + 2
    assert scores[7] == 0


@given(
    st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=6, unique=True), max_size=20),
    st.lists(st.integers(0, 8)),
)
def test_scores_are_never_negative_and_never_of_the_open_session(baskets: list[list[int]], items: list[int]) -> None:
    scores = sessions(*baskets).scores(np.array(items, np.int64), 9)
    assert (scores >= 0).all()
    assert np.isfinite(scores).all()
    assert not scores[items].any()


def test_companions_and_like_sessions_weigh_the_same_whatever_their_units() -> None:
    like, together = np.array([0.0, 300.0, 150.0]), np.array([0.02, 0.0, 0.01])
    assert with_companions(like, together).tolist() == [1.0, 1.0, 1.0]
    assert with_companions(1000 * like, together).tolist() == [1.0, 1.0, 1.0]


def test_where_one_knows_nothing_the_other_decides() -> None:
    like, nothing = np.array([0.0, 4.0, 2.0]), np.zeros(3)
    assert with_companions(like, nothing).tolist() == with_companions(nothing, like).tolist() == [0.0, 1.0, 0.5]
    assert not with_companions(nothing, nothing).any()
