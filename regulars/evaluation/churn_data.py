"""Owns turning receipt lines into the visits that the churn service learns from and scores."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from regulars.datasets import completejourney
from regulars.datasets.lines import LineFileError, read_lines
from services.churn.visits import Visits, visits_of

SUNDAY = 6


@dataclass(frozen=True)
class ChurnData:
    """`end` is the first day after the data; `customer_ids[i]` names customer index i of the visits."""

    name: str
    visits: Visits
    customer_ids: tuple[str, ...]
    weekday_of_day_zero: int
    end: int


def complete_journey(households: int | None = None) -> ChurnData:
    data = completejourney.load(households)
    categories = data.products.select("product_id", pl.col("product_category").alias("category"))
    lines = data.lines.join(categories, on="product_id", how="left")
    return churn_data("completejourney", lines, completejourney.TIME_ZONE, SUNDAY)


def from_file(path: Path, time_zone: str, tell: Callable[[str], None]) -> ChurnData:
    """Read a file of receipt lines, telling of refused ones. Raises LineFileError when nothing is left."""
    file = read_lines(path, time_zone=time_zone)
    if file.refused:
        first = file.refused[0]
        tell(f"{len(file.refused)} lines left out, the first: line {first.line_number}: {first.reason}")
    if not len(file.lines):
        raise LineFileError(f"{path.name}: no receipt lines")
    first_day = file.lines["at"].dt.convert_time_zone(time_zone)[0]
    return churn_data(path.name, file.lines, time_zone, first_day.weekday())


def churn_data(name: str, lines: pl.DataFrame, time_zone: str, weekday_of_day_zero: int) -> ChurnData:
    """Fold receipt lines into visits.

    Columns as the readers give them, with an optional `category` (else the product stands for it) and an
    optional `coupon_discount_minor`.
    """
    ids = lines["customer_id"].unique().sort()
    coded = _coded(lines, ids)
    visits = _visits(coded, time_zone)
    pairs = coded.select("customer", "day", "category").unique(maintain_order=True)
    pairs = pairs.join(visits.select("customer", "day", "row"), on=["customer", "day"])
    columns = {name: _ints(visits[name]) for name in visits.columns if name != "row"}
    return ChurnData(
        name,
        visits_of(len(ids), **columns, category_visit=_ints(pairs["row"]), category=_ints(pairs["category"])),
        tuple(ids.to_list()),
        weekday_of_day_zero,
        int(columns["day"].max()) + 1,
    )


def _coded(lines: pl.DataFrame, ids: pl.Series) -> pl.DataFrame:
    category = "category" if "category" in lines.columns else "product_id"
    coupon = pl.col("coupon_discount_minor") if "coupon_discount_minor" in lines.columns else pl.lit(0)
    index = pl.DataFrame({"customer_id": ids}).with_row_index("customer")
    return lines.join(index, on="customer_id").select(
        "customer",
        "day",
        "at",
        "amount_minor",
        "discount_minor",
        coupon.alias("coupon_minor"),
        _code("store_id").alias("store"),
        _code(category).alias("category"),
    )


def _code(column: str) -> pl.Expr:
    return pl.col(column).fill_null("").rank("dense").cast(pl.Int64) - 1


def _visits(coded: pl.DataFrame, time_zone: str) -> pl.DataFrame:
    hour = pl.col("at").min().dt.convert_time_zone(time_zone).dt.hour()
    return (
        coded.group_by("customer", "day")
        .agg(
            pl.col("amount_minor").sum().alias("spend_minor"),
            pl.len().alias("items"),
            pl.col("discount_minor").sum(),
            pl.col("coupon_minor").sum(),
            hour.alias("hour"),
            pl.col("store").sort_by("at").first(),
        )
        .sort("customer", "day")
        .with_row_index("row")
    )


def _ints(series: pl.Series) -> NDArray[np.int64]:
    return series.to_numpy().astype(np.int64)
