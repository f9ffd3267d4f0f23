"""The small parts of serving: languages, the catalogue as ranking sees it, spreading over types, time-outs."""

import asyncio
from typing import Any, cast

import numpy as np
import pytest

from services.recommend.domain.reasons import Language
from services.recommend.serving.catalogue import UNREADABLE_AGE, listed_of, with_unlisted
from services.recommend.serving.histories import Histories
from services.recommend.serving.languages import preferred
from services.recommend.serving.popularity_now import popularity_now
from services.recommend.serving.reading import FAILURES_MAX, LEFT_ALONE_SECONDS
from services.recommend.store.shelf import StoreSales
from shared.db import Database, DatabaseAwayError


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", Language.ENGLISH),
        ("zh", Language.CHINESE),
        ("zh-Hant-TW", Language.CHINESE),
        ("fr, de", Language.ENGLISH),
        ("en;q=0.5, zh-CN;q=0.8", Language.CHINESE),
        ("zh;q=0, en;q=0.1", Language.ENGLISH),
        ("zh;q=nonsense, en", Language.ENGLISH),
        ("en, zh", Language.ENGLISH),
        (";;,,=", Language.ENGLISH),
    ],
)
def test_reasons_are_in_the_language_preferred_among_those_that_exist(header: str, language: Language) -> None:
    assert preferred(header) is language


def row(**changes: Any) -> dict[str, Any]:
    described = {"product_id": "P1", "name": "Gouda", "brand": "Own", "categories": ["GROCERY", "CHEESE", "SLICED"],
                 "size": "400 g", "is_sold": True, "attributes": {}}  # fmt: skip
    return described | changes


@pytest.mark.parametrize(
    ("categories", "levels"),
    [
        ([], (None, None, None)),
        (["A"], ("A", "A", "A")),
        (["A", "B"], ("A", "B", "B")),
        (["A", "B", "C"], ("A", "B", "C")),
        (["A", "B", "C", "D"], ("A", "C", "D")),
    ],
)
def test_levels_are_the_first_the_last_but_one_and_the_last_category(
    categories: list[str], levels: tuple[str | None, ...]
) -> None:
    found = listed_of(row(categories=categories)).product
    assert (found.department, found.category, found.product_type) == levels


def test_the_maker_is_compared_and_the_brand_is_shown() -> None:
    listed = listed_of(row(attributes={"manufacturer_id": 69}))
    assert (listed.product.brand, listed.brand) == ("69", "Own")
    assert listed_of(row()).product.brand == "Own"


def test_what_is_not_sold_or_no_product_is_not_sellable() -> None:
    assert listed_of(row()).product.is_sellable
    assert not listed_of(row(is_sold=False)).product.is_sellable
    assert not listed_of(row(attributes={"recommendable": False})).product.is_sellable


@pytest.mark.parametrize(("given", "kept"), [(18, 18), ("18", 18), (0, None), (None, None)])
def test_an_age_limit_is_read_as_number_or_text(given: object, kept: int | None) -> None:
    assert listed_of(row(attributes={"min_age": given})).product.min_age == kept


@pytest.mark.parametrize("given", [True, False, "adults", -1, 18.5])
def test_an_age_limit_that_cannot_be_read_keeps_the_product_from_everybody(given: object) -> None:
    assert listed_of(row(attributes={"min_age": given})).product.min_age == UNREADABLE_AGE


def test_a_product_sold_but_never_described_has_its_id() -> None:
    listed = with_unlisted({"P1": listed_of(row())}, ["P1", "P2"])
    assert (listed["P1"].product.name, listed["P2"].product.product_id, listed["P2"].product.name) == (
        "Gouda",
        "P2",
        None,
    )


def test_popularity_lays_sums_out_by_product_and_store() -> None:
    stores = [StoreSales("S2", ["P2", "P0"], [3.0, 1.0])]
    found = popularity_now(
        {"P0": [1, 2, 4], "P2": [3, 6, 4]}, stores, {"P0": 0, "P1": 1, "P2": 2}, {"S1": 0, "S2": 1}
    )
    np.testing.assert_array_equal(found.chain, [[0.25, 0, 0.75], [0.25, 0, 0.75], [0.5, 0, 0.5]])
    np.testing.assert_array_equal(found.in_store(1, 3), [0.25, 0, 0.75])
    np.testing.assert_array_equal(found.in_store(0, 3), [0, 0, 0])
    np.testing.assert_array_equal(found.store_weight, [0, 4])


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class SlowDatabase:
    """Counts who asks, and never answers or refuses at once."""

    def __init__(self, *, refuses: bool) -> None:
        self.asked = 0
        self._refuses = refuses

    def session(self) -> "SlowDatabase":
        return self

    async def __aenter__(self) -> None:
        self.asked += 1
        if self._refuses:
            raise DatabaseAwayError("no route")
        await asyncio.Event().wait()

    async def __aexit__(self, *_: object) -> None:
        return None


@pytest.mark.parametrize("refuses", [True, False])
async def test_a_database_that_keeps_failing_is_left_alone_for_a_moment(refuses: bool) -> None:  # noqa: FBT001
    clock, slow = Clock(), SlowDatabase(refuses=refuses)
    histories = Histories(cast("Database", slow), 0.01, clock)
    for _ in range(FAILURES_MAX + 5):
        assert await histories.session_items("s1") is None
    assert slow.asked == FAILURES_MAX
    clock.now = LEFT_ALONE_SECONDS
    assert await histories.session_items("s1") is None
    assert slow.asked == FAILURES_MAX + 1


async def test_a_bug_in_reading_is_not_taken_for_an_absence() -> None:
    class Broken:
        def session(self) -> object:
            raise ValueError("a bug")

    with pytest.raises(ValueError, match="a bug"):
        await Histories(cast("Database", Broken()), 1.0).session_items("s1")
