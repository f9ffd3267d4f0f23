"""Owns fitting offline: rankers from what was bought after past moments, and all that serving needs beside them."""

from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from services.recommend.assortment import Assortment, type_keys, type_names
from services.recommend.generators.associations import associations_of, by_type
from services.recommend.generators.basket_items import EASE_PRODUCTS, baskets_matrix, companions_of
from services.recommend.generators.item_vectors import ItemIndex, item_vectors
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.generators.vector_index import fastest
from services.recommend.generators.vsknn import Sessions, sessions_of
from services.recommend.history import ranges
from services.recommend.knowledge import Knowledge, learn
from services.recommend.model import Model
from services.recommend.ranking.features import FEATURE_NAMES, STORE_NAMES
from services.recommend.ranking.in_basket import BasketRanker
from services.recommend.ranking.ranker import Examples, Ranker, fit
from services.recommend.ranking.rankers import Rankers, Ranking
from services.recommend.training.dataset import Dataset
from services.recommend.training.examples import Rows, examples_at, stacked
from services.recommend.training.nets import NETS, Lists, fit_nets, standardise
from services.recommend.training.origins import Origin, TooLittleDataError, knowledge_at, origin_at, training_cuts
from services.recommend.training.rhythm import learned_rhythms


def fit_rankers(
    dataset: Dataset,
    assortment: Assortment,
    origins: Iterable[Origin],
    seed: int = 7,
    switches: Switches = EVERYTHING,
) -> Rankers:
    """Fit both rankers on several past targets per customer. Raises TooLittleDataError without any positive."""
    learned = ((origin, replace(knowledge_at(dataset, assortment, origin), switches=switches)) for origin in origins)
    return rankers_of([examples_at(dataset, knowledge, origin, seed) for origin, knowledge in learned], seed)


def rankers_of(parts: list[Rows], seed: int = 7) -> Rankers:
    """Fit both rankers; `parts` is emptied on the way. Raises TooLittleDataError without any positive."""
    rows = stacked(parts)
    if not rows.bought.any():
        raise TooLittleDataError("no candidate was ever bought: the receipts are too few or too far apart")
    names, base = (*FEATURE_NAMES, *STORE_NAMES), len(FEATURE_NAMES)
    has_stores = bool(np.isfinite(rows.features[:, base]).any())
    widths = (base, len(names)) if has_stores else (base,)
    # Trees learn from the columns as they are, nets from standardised ones: these take the place of the others.
    with ThreadPoolExecutor(len(widths)) as threads:
        trees = list(threads.map(lambda width: _trees(rows, names[:width], seed), widths))
    centre, scale = standardise(rows.features)
    found = []
    for width, forest in zip(widths, trees, strict=True):
        lists = Lists(rows.features[:, :width], rows.gains, rows.kept, rows.sizes)
        nets = fit_nets(lists, centre[:width], scale[:width], range(seed, seed + NETS))
        found.append(Ranking(nets, forest))
    return Rankers(*found)


def tree_examples(rows: Rows, names: Sequence[str]) -> Examples:
    """Return what trees learn from: the first columns of the rows, under these names."""
    features = rows.features[:, : len(names)]
    return Examples(features, rows.bought.astype(np.float32), rows.values / rows.kept, tuple(names))


def _trees(rows: Rows, names: Sequence[str], seed: int) -> Ranker:
    return fit(tree_examples(rows, names), seed=seed)


def train(dataset: Dataset, assortment: Assortment, as_of: float, *, ease_products: int = EASE_PRODUCTS) -> Model:
    """Fit everything that serving needs from the receipts before `as_of`."""
    cuts = training_cuts(dataset, as_of)
    rankers = fit_rankers(dataset, assortment, (origin_at(dataset, cut) for cut in cuts))
    knowledge = learn(dataset, assortment, as_of)
    return assembled(dataset, knowledge, rankers, ease_products=ease_products)


def assembled(
    dataset: Dataset,
    knowledge: Knowledge,
    rankers: Rankers,
    in_basket: Ranker | None = None,
    *,
    ease_products: int = EASE_PRODUCTS,
) -> Model:
    """Add the item-to-item tables, learned from baskets before the knowledge's own moment."""
    baskets = baskets_before(dataset, knowledge.as_of)
    names = type_names(knowledge.assortment)
    types = type_keys(knowledge.assortment, names)
    return Model(
        knowledge=knowledge,
        rankers=rankers,
        companions=companions_of(baskets, ease_products),
        items=ItemIndex(fastest(item_vectors(baskets, knowledge.assortment))),
        rhythms=learned_rhythms(dataset, types, len(names), knowledge.as_of),
        sessions=sessions_before(dataset, knowledge.as_of),
        associations=associations_of(baskets),
        type_associations=associations_of(by_type(baskets, types, len(names))),
        type_names=tuple(names),
        in_basket=BasketRanker(in_basket),
    )


def baskets_before(dataset: Dataset, before: float) -> sp.csr_matrix:
    """Return the baskets x products matrix of everything before a moment."""
    lines, baskets = dataset.lines_between(-np.inf, before)
    starts = np.append(np.flatnonzero(np.diff(baskets, prepend=-1)), lines.size)
    return baskets_matrix(starts, dataset.product[lines], len(dataset.product_ids))


def sessions_before(dataset: Dataset, before: float) -> Sessions:
    """Return the latest baskets of everybody before a moment, as what an open session is compared with."""
    known = np.flatnonzero(dataset.at < before)
    known = known[np.argsort(dataset.at[known], kind="stable")]
    sizes = dataset.sizes[known]
    lines = ranges(dataset.line_starts[known], sizes)
    return sessions_of(np.append(0, np.cumsum(sizes)), dataset.product[lines], len(dataset.product_ids))
