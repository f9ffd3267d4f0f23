"""Association rules on baskets that can be counted by hand."""

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.generators.associations import Associations, associations_of, by_type

MILK, BREAD, TEA, NEW = 0, 1, 2, 9


def matrix(*baskets: set[int], products: int = 3) -> sp.csr_matrix:
    table = np.zeros((len(baskets), products), np.float32)
    for row, basket in enumerate(baskets):
        table[row, list(basket)] = 1
    return sp.csr_matrix(table)


@pytest.fixture
def rules() -> Associations:
    """Ten baskets: four with milk, three of these with bread; bread alone once; tea in five others."""
    baskets = [{MILK, BREAD}] * 3 + [{MILK}] + [{BREAD}] + [{TEA}] * 5
    return associations_of(matrix(*baskets), least_together=2)


def test_confidence_is_the_share_of_the_products_baskets(rules: Associations) -> None:
    assert rules.share(MILK, BREAD) == pytest.approx(3 / 4)
    assert rules.confidence(BREAD).tolist() == [3 / 4]


def test_support_lift_and_leverage(rules: Associations) -> None:
    assert rules.support(MILK).tolist() == pytest.approx([0.3])
    assert rules.lift(MILK).tolist() == pytest.approx([0.75 / 0.4])
    assert rules.leverage(MILK).tolist() == pytest.approx([0.3 - 0.4 * 0.4])


def test_what_never_meets_has_no_rule(rules: Associations) -> None:
    assert rules.share(MILK, TEA) == 0.0
    assert rules.confidence(TEA).size == 0


def test_what_meets_no_more_than_by_chance_has_no_rule() -> None:
    everywhere = [{MILK, BREAD, TEA}] * 5
    assert associations_of(matrix(*everywhere), least_together=2).others.size == 0


def test_too_few_meetings_are_chance() -> None:
    assert associations_of(matrix({MILK, BREAD}, {TEA}, {TEA}), least_together=2).others.size == 0


def test_scores_take_the_strongest_item_and_leave_out_the_basket(rules: Associations) -> None:
    assert rules.scores(np.array([MILK]), 4).tolist() == pytest.approx([0, 0.75, 0, 0])
    assert rules.scores(np.array([MILK, BREAD]), 4).tolist() == [0, 0, 0, 0]


def test_a_product_newer_than_the_counting_has_no_rules(rules: Associations) -> None:
    assert rules.scores(np.array([NEW]), 12).tolist() == [0.0] * 12
    assert rules.confidence(NEW).size == 0


def test_types_are_counted_once_a_basket() -> None:
    typed = by_type(matrix({MILK, BREAD}, {TEA}), np.array([0, 0, -1]), 1)
    assert typed.toarray().tolist() == [[1.0], [0.0]]


@given(st.lists(st.sets(st.integers(0, 5), min_size=1), min_size=1, max_size=30))
def test_counts_are_those_of_the_baskets(baskets: list[set[int]]) -> None:
    rules = associations_of(matrix(*baskets, products=6), least_together=1)
    for product in range(6):
        for other, together in zip(rules.others[rules.of(product)], rules.together[rules.of(product)], strict=True):
            assert together == sum({product, int(other)} <= basket for basket in baskets)
        assert (rules.confidence(product) <= 1).all()
        assert (rules.lift(product) >= 1).all()
