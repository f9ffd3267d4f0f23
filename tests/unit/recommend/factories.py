"""Small made-up shoppers for the recommendation tests."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl

from services.recommend.assortment import Assortment, assortment_of
from services.recommend.domain.facts import MILLIONTHS, Fact
from services.recommend.domain.products import Product
from services.recommend.domain.purchases import Line, Receipt
from services.recommend.serving.past import Past
from services.recommend.training.dataset import Dataset, dataset_of

START = datetime(2026, 1, 1, 12, tzinfo=UTC)


def day(number: float) -> datetime:
    return START + timedelta(days=number)


def receipt(name: str, at: float, *products: str, store: str = "S1") -> Receipt:
    return Receipt(name, day(at), store, tuple(Line(product) for product in products))


def past_of(receipts: Iterable[Receipt]) -> Past:
    """The past of somebody who gave nothing back."""
    return Past([_basket(receipt) for receipt in receipts])


def _basket(receipt: Receipt) -> tuple[Fact, dict[str, int]]:
    quantities = {line.product_id: round(line.quantity * MILLIONTHS) for line in receipt.lines}
    return Fact(receipt.receipt_id, receipt.at, receipt.store_id, list(quantities.items())), quantities


def catalogue(size: int) -> dict[str, Product]:
    """Products P000.. of five types in two categories, priced 100, 110, ..."""
    return {
        f"P{n:03d}": Product(
            f"P{n:03d}",
            name=f"Product {n}",
            department="GROCERY",
            category=f"category {n % 2}",
            product_type=f"type {n % 5}",
            brand=f"brand {n % 3}",
            price_minor=100 + 10 * n,
        )
        for n in range(size)
    }


def town(customers: int = 40, products: int = 60, weeks: int = 30, seed: int = 1) -> pl.DataFrame:
    """Receipt lines of customers with habits: each buys their own few products again and again, and some others."""
    draw = np.random.default_rng(seed)
    rows = []
    for customer in range(customers):
        habits = draw.choice(products, 6, replace=False)
        for week in range(weeks):
            wanted = habits[draw.random(6) < 0.5].tolist() + draw.integers(0, products, 2).tolist()
            at = START + timedelta(days=7 * week + float(draw.random() * 6))
            rows += [
                (f"C{customer:03d}", f"B{customer:03d}-{week:03d}", f"P{product:03d}", f"S{customer % 3}", at)
                for product in sorted(set(wanted))
            ]
    columns = ["customer_id", "basket_id", "product_id", "store_id", "at"]
    return pl.DataFrame(rows, schema=columns, orient="row").with_columns(pl.col("at").dt.cast_time_unit("us"))


def with_amounts(lines: pl.DataFrame, cheaper_from: int = 150) -> pl.DataFrame:
    """Everything costs 2.00; products P000..P009 cost 1.50 from a day on."""
    is_cheap = pl.col("product_id").str.slice(1).cast(pl.Int64) < 10
    is_late = pl.col("at") >= START + timedelta(days=cheaper_from)
    price = pl.when(is_cheap & is_late).then(150).otherwise(200)
    return lines.with_columns(pl.lit(2.0).alias("quantity"), (2 * price).alias("amount_minor"))


def dataset(lines: pl.DataFrame) -> tuple[Dataset, Assortment]:
    built = dataset_of(lines)
    return built, assortment_of(built.product_ids, catalogue(len(built.product_ids)))


def receipts_of(lines: pl.DataFrame, customer_id: str, before: datetime) -> list[Receipt]:
    mine = lines.filter((pl.col("customer_id") == customer_id) & (pl.col("at") < before))
    return [_receipt(part) for part in mine.partition_by("basket_id", maintain_order=True)]


def _receipt(part: pl.DataFrame) -> Receipt:
    first = part.row(0, named=True)
    products: Sequence[str] = part["product_id"].to_list()
    return Receipt(first["basket_id"], first["at"], first["store_id"], tuple(Line(name) for name in products))
