"""Owns the simulated shoppers: real customers, real next baskets, made-up eyes and clicks.

No public retail data says what was shown to whom. So what people come to buy is real (held-out baskets), and what
they see and click of a list is drawn from the model below, whose constants are round numbers, fitted to nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from regulars.evaluation.recommend.data import Evaluated
from services.recommend.generators import own_products
from services.recommend.history import Bools, Floats, Ints
from services.recommend.training.origins import knowledge_at, origin_at, shoppers

LENGTH = 10
POSITION_BIAS = 0.7
"""The n-th product is looked at with probability n ** -0.7."""
CLICK_WANTED, CLICK_OTHER = 0.4, 0.02
"""Of what is looked at and in the coming basket, and of what is looked at and is not."""
PERSUADED = 0.005
"""What is looked at and was not to be bought is bought after all: all that a list truly changes."""
ATTRIBUTION_DAYS = 7
METHODS = ("tifu_knn", "personal_top", "popularity")
_LOOKED_AT = np.arange(1, LENGTH + 1) ** -POSITION_BIAS


@dataclass(frozen=True, eq=False)
class Crowd:
    """Customers: by method the list that each would be shown (customer x place), and the basket that came."""

    lists: Mapping[str, Ints]
    baskets: Sequence[frozenset[int]]

    @property
    def size(self) -> int:
        return len(self.baskets)

    @cached_property
    def _names(self) -> dict[str, list[list[str]]]:
        return {
            method: [[str(each) for each in row] for row in found.tolist()] for method, found in self.lists.items()
        }

    def names(self, method: str) -> list[list[str]]:
        """Return a method's lists as ids of products."""
        return self._names[method]


def crowd_of(data: Evaluated, cut: float, most: int) -> Crowd:
    """Return what each method would have shown at `cut` to customers who came back after it."""
    origin = origin_at(data.dataset, cut)
    knowledge = knowledge_at(data.dataset, data.assortment, origin)
    month = knowledge.popularity.chain[1]
    lists: dict[str, list[Ints]] = {name: [] for name in METHODS}
    baskets: list[frozenset[int]] = []
    for target, shopper in shoppers(data.dataset, knowledge, origin):
        if len(baskets) == most:
            break
        own = month * 1e-6
        own[shopper.history.products] += own_products.personal_top(shopper.history)
        for name, scores in (("tifu_knn", shopper.tifu), ("personal_top", own), ("popularity", month)):
            lists[name].append(np.argsort(-scores, kind="stable")[:LENGTH])
        baskets.append(frozenset(data.dataset.basket(target.basket).tolist()))
    return Crowd({name: np.array(found) for name, found in lists.items()}, baskets)


def click_chances(shown: Ints, basket: frozenset[int]) -> Floats:
    """Return with which probability each place of a list is clicked."""
    wanted = np.array([product in basket for product in shown.tolist()])
    return np.asarray(_LOOKED_AT[: shown.size] * np.where(wanted, CLICK_WANTED, CLICK_OTHER), np.float64)


def true_click_through(crowd: Crowd, method: str) -> float:
    """Return the share of lists with a click, exactly, over the whole crowd."""
    pairs = zip(crowd.lists[method], crowd.baskets, strict=True)
    return float(np.mean([1 - np.prod(1 - click_chances(shown, basket)) for shown, basket in pairs]))


def true_extra_products(crowd: Crowd, method: str) -> float:
    """Return how many products more a customer buys because of a list, exactly: what one would like to know."""
    pairs = zip(crowd.lists[method], crowd.baskets, strict=True)
    return PERSUADED * float(np.mean([(_LOOKED_AT * ~np.isin(shown, list(basket))).sum() for shown, basket in pairs]))


def chances(crowd: Crowd, method: str) -> Floats:
    """Return for every customer and place of a method's list how probably it is clicked."""
    pairs = zip(crowd.lists[method], crowd.baskets, strict=True)
    return np.stack([click_chances(shown, basket) for shown, basket in pairs])


@dataclass(frozen=True)
class Response:
    """What simulated people did with one list each: clicked it, and bought so many of its products within days."""

    clicked: Bools
    bought_of_it: Ints


def responses(chance: Floats, draw: np.random.Generator) -> Response:
    """Draw what people do with lists (person x place). What is wanted is bought whether it is looked at or not."""
    wanted = chance > _LOOKED_AT * CLICK_OTHER * 1.5
    clicks = draw.random(chance.shape) < chance
    persuaded = ~wanted & (draw.random(chance.shape) < _LOOKED_AT * PERSUADED)
    return Response(np.asarray(clicks.any(axis=1), np.bool_), (wanted | persuaded).sum(axis=1))
