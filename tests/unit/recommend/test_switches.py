"""Switching generators off: what is off names nothing, scores nothing, and stays off in a stored version."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from services.recommend.generators.basket_items import companions_of
from services.recommend.generators.switches import EVERYTHING, Generator, UnknownGeneratorError, switches_of
from services.recommend.history import Floats, Ints
from services.recommend.knowledge import learn
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.in_basket import OpenBasket, basket_candidates, open_basket
from services.recommend.ranking.shoppers import Shopper, shopper_of
from services.recommend.registry import SERVICE, load_model, train_version
from services.recommend.training.fitting import baskets_before
from shared.registry import Registry
from tests.unit.recommend.factories import catalogue, dataset, town

TABLE, ASSORTMENT = dataset(town())
CUT = float(np.floor(TABLE.at.max())) - 28
WHOLE = learn(TABLE, ASSORTMENT, CUT)
COMPANIONS = companions_of(baskets_before(TABLE, CUT))
SCORES = {Generator.TIFU: "tifu", Generator.UP_CF: "upcf", Generator.USER_CF: "crowd_value"}
IN_BASKET = {
    Generator.OWN_TRIPS: "same_trips",
    Generator.USER_CF: "crowd_value",
    Generator.OWN_PRODUCTS: "own_value",
    Generator.BASKET_ITEMS: "together",
}


def shopper() -> Shopper:
    return shopper_of(TABLE.history(0, CUT), WHOLE, 0)


def basket() -> OpenBasket:
    return open_basket(TABLE.history(0, CUT), np.array([3, 7]), WHOLE, COMPANIONS, 0, CUT, 0)


def named(generator: Generator) -> set[int]:
    candidates: Ints = candidates_of(shopper().without(EVERYTHING.without(generator)), WHOLE.popularity)
    return set(candidates.tolist())


@pytest.mark.parametrize("generator", list(SCORES))
def test_score_of_what_is_off_is_zero_and_the_others_stay(generator: Generator) -> None:
    off, on = shopper().without(EVERYTHING.without(generator)), shopper()
    for other, name in SCORES.items():
        values: Floats = getattr(off, name)
        assert values.any() == (other is not generator)
        if other is not generator:
            assert values.tolist() == getattr(on, name).tolist()


def test_own_products_that_are_off_are_no_candidates() -> None:
    own = set(shopper().history.products.tolist())
    assert own & named(Generator.TIFU)
    assert not own & named(Generator.OWN_PRODUCTS)


def test_without_any_generator_nothing_is_named() -> None:
    nothing = shopper().without(EVERYTHING.without(*Generator))
    assert not candidates_of(nothing, WHOLE.popularity).size


@pytest.mark.parametrize("generator", list(IN_BASKET))
def test_open_basket_without_a_generator(generator: Generator) -> None:
    off = basket().without(EVERYTHING.without(generator))
    for other, name in IN_BASKET.items():
        assert getattr(off, name).any() == (other is not generator)
    assert basket_candidates(off, WHOLE).size


def test_knowledge_carries_its_switches_into_every_request() -> None:
    quiet = replace(WHOLE, switches=EVERYTHING.without(Generator.TIFU))
    assert not shopper_of(TABLE.history(0, CUT), quiet, 0).tifu.any()


def test_names_are_read_and_an_unknown_one_is_told_with_those_there_are() -> None:
    assert switches_of(["tifu", "popular"]).off == {Generator.TIFU, Generator.POPULAR}
    with pytest.raises(UnknownGeneratorError, match=r"no generator: tifoo; there are .*tifu"):
        switches_of(["tifoo"])


def test_version_trained_without_a_generator_is_served_without_it(tmp_path: Path) -> None:
    registry = Registry(tmp_path, SERVICE)
    off = EVERYTHING.without(Generator.UP_CF)
    as_of, now = float(TABLE.at.max()) + 1, datetime(2026, 8, 1, tzinfo=UTC)
    saved = train_version(registry, TABLE, ASSORTMENT, as_of, now, lambda _: None, off)
    assert saved.parameters["generators_off"] == ["up_cf"]
    assert load_model(registry, catalogue(60), saved.version).knowledge.switches == off
