"""Turns receipt lines of a data set into the receipts that a till would have sent."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

DISCOUNTS = {
    "retail_discount_minor": "loyalty",
    "coupon_discount_minor": "coupon",
    "coupon_match_minor": "coupon_match",
}


@dataclass(frozen=True, slots=True)
class Till:
    """How a chain's tills write: their money, their zone, and by which identifier they know a customer.

    `shift` moves every time, by whole weeks so that a Saturday stays one; business days move with it.
    """

    currency: str
    time_zone: str
    namespace: str = "loyalty_card"
    terminal_id: str = "T1"
    shift: timedelta = timedelta(0)


def numbered_baskets(lines: pl.DataFrame) -> pl.DataFrame:
    """Return (basket_id, sequence_number): the place of each basket in its store's day, counted from 1.

    Count over all customers of a data set before taking some of them: then a basket has the same number, so the
    same till's key, however many customers are loaded.
    """
    return (
        lines.group_by("basket_id")
        .agg(pl.col("at").min(), pl.col("store_id").first(), pl.col("day").min())
        .sort("at", "basket_id")
        .select(
            "basket_id",
            pl.int_range(1, pl.len() + 1).over("store_id", "day").cast(pl.Int32).alias("sequence_number"),
        )
    )


def receipts(lines: pl.DataFrame, numbers: pl.DataFrame, till: Till) -> Iterator[dict[str, Any]]:
    """Yield one receipt a basket, in time order, in the shape of `POST /v1/receipts`.

    `lines` has the columns of `regulars.datasets`; each basket's lines become one sale.
    """
    numbered = lines.join(numbers, on="basket_id").sort("at", "basket_id", "line_number")
    for (_,), basket in numbered.group_by("basket_id", maintain_order=True):
        yield _receipt(basket.rows(named=True), till)


def _receipt(rows: list[dict[str, Any]], till: Till) -> dict[str, Any]:
    first = rows[0]
    occurred_at = _moved(first["at"], till)
    total_minor = sum(row["amount_minor"] for row in rows)
    return {
        "store_id": first["store_id"],
        "terminal_id": till.terminal_id,
        "business_date": occurred_at.date().isoformat(),
        "sequence_number": first["sequence_number"],
        "kind": "sale",
        "occurred_at": occurred_at.isoformat(),
        "currency": till.currency,
        "identifiers": [{"namespace": till.namespace, "value": first["customer_id"]}],
        "lines": [_line(number, row) for number, row in enumerate(rows, start=1)],
        "tenders": [{"kind": "card", "amount_minor": total_minor}],
    }


def _moved(at: datetime, till: Till) -> datetime:
    """Move a time on the wall clock: across a change to summer time the hour of the day stays."""
    zone = ZoneInfo(till.time_zone)
    return (at.astimezone(zone).replace(tzinfo=None) + till.shift).replace(tzinfo=zone)


def _line(number: int, row: dict[str, Any]) -> dict[str, Any]:
    discounts = [
        {"kind": kind, "amount_minor": row[column]} for column, kind in DISCOUNTS.items() if row.get(column, 0) > 0
    ]
    before_minor = row["amount_minor"] + sum(discount["amount_minor"] for discount in discounts)
    quantity = row["quantity"]
    return {
        "line_number": number,
        "product_id": row["product_id"],
        "quantity": f"{quantity:.3f}".rstrip("0").rstrip("."),
        "unit_price_minor": round(before_minor / quantity) if quantity > 0 else before_minor,
        "amount_minor": row["amount_minor"],
        "discounts": discounts,
    }
