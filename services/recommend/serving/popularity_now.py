"""Owns laying the sums of the popularity table out as the generators read them."""

from collections.abc import Mapping, Sequence

import numpy as np

from services.recommend.generators.popular import Popularity
from services.recommend.history import Floats, Ints
from services.recommend.store.shelf import StoreSales


def popularity_now(
    chain: Mapping[str, Sequence[int]],
    stores: Sequence[StoreSales],
    product_index: Mapping[str, int],
    store_index: Mapping[str, int],
) -> Popularity:
    """Return popularity over these products and stores; both indices hold every name in the sums."""
    windows = len(next(iter(chain.values())))
    sums = np.zeros((windows, len(product_index)))
    for product_id, purchases in chain.items():
        sums[:, product_index[product_id]] = purchases
    rows = {store_index[each.store_id]: _row(each, product_index) for each in stores}
    empty = (np.empty(0, np.int64), np.empty(0))
    ordered = [rows.get(store, empty) for store in range(len(store_index))]
    weight = np.array([weights.sum() for _, weights in ordered], np.float64)
    return Popularity(
        chain=sums / np.maximum(sums.sum(axis=1, keepdims=True), 1e-12),
        store_indptr=np.cumsum([0, *(products.size for products, _ in ordered)]).astype(np.int64),
        store_products=np.concatenate([empty[0], *(products for products, _ in ordered)]),
        store_shares=np.concatenate([empty[1], *(weights / max(weights.sum(), 1e-12) for _, weights in ordered)]),
        store_weight=weight,
    )


def _row(sales: StoreSales, product_index: Mapping[str, int]) -> tuple[Ints, Floats]:
    products = np.array([product_index[name] for name in sales.product_ids], np.int64)
    order = np.argsort(products, kind="stable")
    return products[order], np.array(sales.weights, np.float64)[order]
