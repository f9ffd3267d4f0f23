"""Owns what stands while requests come and go: the model over the shelf, and what is worked out of both once."""

from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from functools import cached_property, lru_cache, partial

import numpy as np

from services.recommend.assortment import Assortment, type_keys
from services.recommend.generators.promotions import SPANS_KEPT, Promotions, Span, indices_of
from services.recommend.generators.segments import SegmentSales
from services.recommend.generators.switches import Generator
from services.recommend.history import Floats, Ints
from services.recommend.model import Model
from services.recommend.ranking.rankers import ordered
from services.recommend.serving.eligibility import Shelf
from services.recommend.serving.from_little import Shelves
from services.recommend.serving.goods import Goods
from services.recommend.serving.preparing import Preparations
from services.recommend.serving.ranked import NOTHING, Ranked, segment_popular, sized, store_popular


class Standing:
    """One model over one catalogue, stock and prices; immutable, so that a newer one replaces it whole."""

    def __init__(
        self,
        model: Model,
        out_of_stock: Mapping[str, AbstractSet[str]] | None = None,
        promotions: Promotions | None = None,
        segments: SegmentSales | None = None,
        goods: Goods | None = None,
    ) -> None:
        """Take a model already laid over the current catalogue (`model.with_catalogue`), and its goods if known."""
        self.model = model
        self.knowledge = model.knowledge
        self.goods = goods or Goods(model.knowledge.assortment)
        self.shelf = Shelf(self.goods, out_of_stock or {})
        self.preparations = Preparations()
        self._promotions = promotions or Promotions()
        self._size = len(self.assortment)
        # Over a function of its own: a bound method would tie the recommender to itself, and old ones would pile up.
        self.in_store = lru_cache(maxsize=256)(partial(store_popular, self.knowledge.popularity, self._size))
        self.in_segments = lru_cache(maxsize=256)(
            partial(segment_popular, segments or SegmentSales(), self.knowledge.popularity, self._size)
        )
        self.liked = sized(self.knowledge.popularity.liked, self._size)
        self.popular = self._all_by(sized(self.knowledge.popularity.lately, self._size))
        self.trending = self._all_by(self.knowledge.popularity.trending(self._size))
        if not self.knowledge.switches.has(Generator.TRENDING):
            self.trending = NOTHING

    @property
    def assortment(self) -> Assortment:
        return self.knowledge.assortment

    @property
    def model_version(self) -> str:
        return self.model.version

    @cached_property
    def shelves(self) -> Shelves:
        """What lists are filled from besides history."""
        types = type_keys(self.assortment, self.model.type_names)
        return Shelves(self.model, self._promotions, types, _promoted(self._promotions, self.assortment.index))

    @cached_property
    def by_popularity(self) -> Ints:
        """Every product, the most bought first; what nobody bought keeps the assortment's order."""
        bought = self.popular[0]
        return np.concatenate((bought, np.setdiff1d(np.arange(self._size), bought)))

    def _all_by(self, scores: Floats) -> Ranked:
        positive = np.flatnonzero(scores > 0)
        return ordered(positive, scores[positive])


def _promoted(promotions: Promotions, index: Mapping[str, int]) -> Callable[[Span], Ints]:
    """Return how to find the products on offer within a span, each worked out once."""
    return lru_cache(maxsize=SPANS_KEPT)(partial(_indices_within, promotions, index))


def _indices_within(promotions: Promotions, index: Mapping[str, int], span: Span) -> Ints:
    return indices_of(promotions.within(span), index)
