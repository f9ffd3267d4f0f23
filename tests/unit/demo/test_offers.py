"""Hits of lists against what was bought later."""

import polars as pl

from regulars.demo import hindsight


def test_hits_are_counted_among_those_who_came_again() -> None:
    offers = {"a": ["p", "q"], "b": ["p"], "c": ["p"]}
    found = hindsight.hits(offers, {"a": {"p", "q", "r"}, "b": {"z"}})
    assert (found.customers, found.with_a_hit, found.mean_hits, found.share) == (2, 1, 1.0, 0.5)


def test_nobody_who_came_again_is_no_hit() -> None:
    assert hindsight.hits({"a": ["p"]}, {}).share == 0.0


def test_purchases_of_the_held_back_weeks_are_sets_of_products() -> None:
    lines = pl.DataFrame({"customer_id": ["a", "a", "b"], "product_id": ["p", "p", "q"], "day": [10, 11, 3]})
    assert hindsight.purchases(lines, 10) == {"a": {"p"}}
