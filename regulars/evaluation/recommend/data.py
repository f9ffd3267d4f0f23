"""Owns reading data for the recommendation protocols: lines and catalogue, and the protocols' filter."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import polars as pl

from regulars.datasets import completejourney
from regulars.datasets.lines import read_lines
from regulars.evaluation.recommend.coupons import CouponHistory, coupons_of
from regulars.evaluation.recommend.paid_prices import paid
from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.products import Product
from services.recommend.history import Ints
from services.recommend.training.dataset import Dataset, dataset_of

MIN_PRODUCT_BASKETS = 10
MIN_CUSTOMER_BASKETS = 5


class TooFewLinesError(ValueError):
    """After the protocols' filter nothing is left to evaluate."""


@dataclass(frozen=True)
class Evaluated:
    """The filtered baskets with their products' attributes.

    `prices` paid for a unit where the lines tell, `coupons` held and used where the data know them. `said` holds what
    customers said of themselves (their age, ...): a code for each customer, -1 for whoever did not.
    """

    name: str
    dataset: Dataset
    assortment: Assortment
    prices: pl.DataFrame | None = None
    coupons: CouponHistory | None = None
    said: Mapping[str, Ints] = field(default_factory=dict)


def load(data: str) -> Evaluated:
    """Read `completejourney` or a file of receipt lines. Raises LineFileError, TooFewLinesError."""
    if data == "completejourney":
        source = completejourney.load(None)
        found = evaluated(data, source.lines, products_of(source.products))
        said = said_of_themselves(found.dataset.customer_ids, source.demographics)
        return replace(found, coupons=coupons_of(source), said=said)
    return evaluated(Path(data).name, read_lines(Path(data)).lines, {})


def evaluated(name: str, lines: pl.DataFrame, known: Mapping[str, Product]) -> Evaluated:
    """Filter and lay out: products in >= 10 baskets, of customers with >= 5 baskets (counted before that filter)."""
    dataset = dataset_of(_filtered(lines))
    return Evaluated(name, dataset, assortment_of(dataset.product_ids, known), paid(lines))


def common_before(data: Evaluated, cut: float) -> Evaluated:
    """Keep products in >= 10 baskets before `cut` (days since 1970 UTC), so that no later basket chose a product.

    Baskets and customers keep their order; baskets without a product left fall away.
    """
    dataset = data.dataset
    before = np.repeat(dataset.at < cut, dataset.sizes)
    counts = np.bincount(dataset.product[before], minlength=len(dataset.product_ids))
    common = np.flatnonzero(counts >= MIN_PRODUCT_BASKETS)
    if not common.size:
        raise TooFewLinesError(f"before the cut no product is in {MIN_PRODUCT_BASKETS} baskets")
    return Evaluated(data.name, _only(dataset, common), _subset(data.assortment, common))


def _only(dataset: Dataset, products: Ints) -> Dataset:
    place = np.full(len(dataset.product_ids), -1, np.int64)
    place[products] = np.arange(products.size)
    kept = place[dataset.product] >= 0
    sizes = np.add.reduceat(kept, dataset.line_starts[:-1], dtype=np.int64)
    filled = sizes > 0
    return replace(
        dataset,
        product_ids=[dataset.product_ids[product] for product in products],
        basket_starts=np.concatenate(([0], np.cumsum(filled)))[dataset.basket_starts],
        line_starts=np.concatenate(([0], np.cumsum(sizes[filled]))),
        product=place[dataset.product[kept]],
        at=dataset.at[filled],
        store=dataset.store[filled],
        basket_ids=[name for name, keep in zip(dataset.basket_ids, filled, strict=True) if keep],
    )


def _subset(assortment: Assortment, products: Ints) -> Assortment:
    return Assortment(
        tuple(assortment.products[product] for product in products),
        assortment.levels[:, products],
        assortment.price_minor[products],
    )


def products_of(frame: pl.DataFrame) -> dict[str, Product]:
    """Map the Complete Journey's products; the manufacturer is the brand (`brand` says only whose label it is)."""
    return {
        row["product_id"]: Product(
            product_id=row["product_id"],
            name=row["product_type"],
            department=row["department"],
            category=row["product_category"],
            product_type=row["product_type"],
            brand=row["manufacturer_id"],
            size=row["package_size"],
        )
        for row in frame.iter_rows(named=True)
    }


def said_of_themselves(customer_ids: Sequence[str], demographics: pl.DataFrame) -> dict[str, Ints]:
    """Return, for each column beside `household_id`, every customer's answer as a code; -1 where there is none."""
    customers = pl.DataFrame({"household_id": list(customer_ids)})
    mine = customers.join(demographics, on="household_id", how="left", maintain_order="left")
    return {name: _codes(mine[name].cast(pl.String)) for name in mine.columns if name != "household_id"}


def _codes(answers: pl.Series) -> Ints:
    place = {answer: number for number, answer in enumerate(answers.drop_nulls().unique().sort())}
    return np.array([place.get(answer, -1) for answer in answers], np.int64)


def _filtered(lines: pl.DataFrame) -> pl.DataFrame:
    distinct = lines.unique(["customer_id", "basket_id", "product_id"], keep="first", maintain_order=True)
    baskets = pl.col("basket_id").n_unique()
    regular = distinct.group_by("customer_id").agg(baskets).filter(pl.col("basket_id") >= MIN_CUSTOMER_BASKETS)
    common = distinct.group_by("product_id").len().filter(pl.col("len") >= MIN_PRODUCT_BASKETS)
    kept = distinct.join(regular, on="customer_id", how="semi").join(common, on="product_id", how="semi")
    if kept.is_empty():
        wanted = f"products in {MIN_PRODUCT_BASKETS} baskets and customers with {MIN_CUSTOMER_BASKETS}"
        raise TooFewLinesError(f"no line is left: the protocols need {wanted}")
    return kept
