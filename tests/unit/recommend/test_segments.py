"""What members of a customer's segments buy: weighed by the store, after the session, for the person alone."""

from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.recommend.assortment import assortment_of
from services.recommend.domain.requests import Context, Filters, Placement, Request, Source
from services.recommend.generators.popular import Popularity, popularity_of
from services.recommend.generators.segments import SegmentSales, segment_sales_of
from services.recommend.generators.switches import EVERYTHING, Generator
from services.recommend.model import Model, untrained
from services.recommend.serving.given import key_of
from services.recommend.serving.recommender import Recommender
from tests.unit.recommend.factories import catalogue, day, past_of, receipt

SIZE = 12
KNOWN = catalogue(SIZE)
ASSORTMENT = assortment_of(sorted(KNOWN), KNOWN)
YOUNG = {"P007": 30, "P003": 20, "P001": 10}
SALES = segment_sales_of({"young": YOUNG, "old": {"P009": 5}, "gone": {"P999": 4}}, ASSORTMENT.index)


def popularity() -> Popularity:
    """In store 0 much of P003 is sold, in store 1 none; P000 is what everybody buys."""
    product, store = np.array([0, 0, 3, 7, 7]), np.array([0, 1, 0, 0, 1])
    return popularity_of(product, store, np.zeros(5), np.array([9.0, 9.0, 8.0, 1.0, 4.0]), SIZE, 2)


def model() -> Model:
    found = untrained(ASSORTMENT, popularity())
    return replace(found, knowledge=replace(found.knowledge, store_ids=("S0", "S1")))


RECOMMENDER = Recommender(model(), segments=SALES)


def asked(placement: Placement = Placement.FOR_YOU, store: str | None = None, **changes: object) -> Request:
    context = Context(day(0), ("P005",) if placement is Placement.SIMILAR else (), store)
    request = Request(placement, context, limit=2, customer_id="C1", segments=("young",))
    return replace(request, **changes)  # type: ignore[arg-type]


def shown(request: Request) -> list[tuple[str, Source]]:
    return [(item.product_id, item.source) for item in RECOMMENDER.recommend(request, past_of([])).items]


def test_shares_are_of_the_segments_purchases_and_unknown_products_count_for_nothing() -> None:
    assert set(SALES.by_segment) == {"young", "old"}
    products, shares = SALES.by_segment["young"]
    assert dict(zip(products.tolist(), shares.tolist(), strict=True)) == pytest.approx({7: 0.5, 3: 1 / 3, 1: 1 / 6})


def test_of_several_segments_shares_are_added() -> None:
    found = SALES.scores(("young", "old"), popularity(), -1, SIZE)
    assert found[9] == pytest.approx(1.0)
    assert found[7] == pytest.approx(0.5)


def test_a_store_raises_what_it_sells_more_of_and_lowers_what_it_sells_none_of() -> None:
    here, there = (SALES.scores(("young",), popularity(), store, SIZE) for store in (0, 1))
    everywhere = SALES.scores(("young",), popularity(), -1, SIZE)
    assert here[3] > everywhere[3] > there[3] > 0
    assert here.argmax() == 3
    assert there.argmax() == 7


@given(
    purchases=st.dictionaries(
        st.sampled_from(["a", "b"]), st.dictionaries(st.sampled_from(sorted(KNOWN)), st.integers(1, 99)), max_size=2
    ),
    segments=st.lists(st.sampled_from(["a", "b", "c"]), unique=True).map(tuple),
    store=st.integers(-1, 3),
)
def test_only_what_members_bought_is_named_whatever_the_store(
    purchases: dict[str, dict[str, int]], segments: tuple[str, ...], store: int
) -> None:
    found = segment_sales_of(purchases, ASSORTMENT.index).scores(segments, popularity(), store, SIZE)
    bought = {ASSORTMENT.index[name] for segment in segments for name in purchases.get(segment, {})}
    assert set(np.flatnonzero(found).tolist()) == bought
    assert np.isfinite(found).all()
    assert (found >= 0).all()


def test_a_customer_without_purchases_gets_what_the_store_sells_then_their_segment_then_what_everybody_buys() -> None:
    assert shown(asked()) == [("P007", Source.SEGMENT_POPULAR), ("P003", Source.SEGMENT_POPULAR)]
    assert shown(asked(segments=())) == [("P000", Source.POPULAR), ("P003", Source.POPULAR)]
    here = shown(asked(store="S0", limit=4))
    assert [source for _, source in here] == [Source.STORE_POPULAR] * 3 + [Source.SEGMENT_POPULAR]
    assert here[-1][0] == "P001"


def test_the_chain_and_the_assortment_come_after_the_segment() -> None:
    request = asked(limit=5)
    sources = [source for _, source in shown(request)]
    assert sources == [Source.SEGMENT_POPULAR] * 3 + [Source.POPULAR, Source.ASSORTMENT]
    levels = [RECOMMENDER.recommend(replace(request, limit=limit), past_of([])).fallback_level for limit in (3, 4, 5)]
    assert levels == sorted(set(levels))


def test_own_purchases_come_before_the_segment() -> None:
    bought = past_of([receipt("r", -1, "P011")])
    first = RECOMMENDER.recommend(asked(), bought).items[0]
    assert (first.product_id, first.source) != ("P007", Source.SEGMENT_POPULAR)


@pytest.mark.parametrize("placement", [Placement.SIMILAR, Placement.TRENDING, Placement.SUBSTITUTES])
def test_lists_that_are_not_of_the_person_know_no_segment(placement: Placement) -> None:
    with_segment, without = (shown(asked(placement, limit=SIZE, segments=each)) for each in (("young",), ()))
    assert with_segment == without


def test_without_personalisation_no_segment_is_looked_at() -> None:
    assert shown(asked(personalized=False)) == shown(asked(segments=()))


def test_hard_limits_hold_for_what_a_segment_buys() -> None:
    filters = Filters(exclude_ids=frozenset({"P007"}))
    assert shown(asked(filters=filters))[0] == ("P003", Source.SEGMENT_POPULAR)


def test_the_generator_can_be_switched_off() -> None:
    found = model()
    silent = replace(found, knowledge=replace(found.knowledge, switches=EVERYTHING.without(Generator.SEGMENTS)))
    answer = Recommender(silent, segments=SALES).recommend(asked(), past_of([]))
    assert Source.SEGMENT_POPULAR not in {item.source for item in answer.items}


def test_lists_of_other_segments_are_other_lists() -> None:
    assert key_of(asked(), 1) != key_of(asked(segments=("old",)), 1)
    assert key_of(asked(personalized=False), 0) == key_of(asked(personalized=False, segments=()), 0)
    later = asked(context=Context(day(0) + timedelta(days=1)))
    assert key_of(asked(), 1) != key_of(later, 1)


def test_an_unknown_segment_says_nothing() -> None:
    assert not SegmentSales().scores(("young",), popularity(), 0, SIZE).any()
