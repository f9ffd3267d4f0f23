"""Serving and evaluation see the same: receipts that went through PostgreSQL give the evaluation's features."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import polars as pl
import pytest

from regulars.datasets.completejourney import FIRST_DAY, TIME_ZONE
from regulars.evaluation.churn_data import SUNDAY, ChurnData, churn_data
from regulars.loading.completejourney import History
from services.churn.features import NAMES, features
from services.churn.history import WEEKDAY_OF_DAY_ZERO
from services.churn.store.history import read_history
from shared.db import Database
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.churn.shops import Event, apply, envelope, named, product

pytestmark = pytest.mark.postgres

HOUSEHOLDS = 25
CATEGORY_LEVEL = 2
EPOCH_ORDINAL = datetime(1970, 1, 1, tzinfo=UTC).toordinal()
DAYS = (120, 200, 252, 301, 364)


def _receipts(loaded: History) -> Iterator[Event]:
    for number, body in enumerate(loaded.receipts(0, 365)):
        at = datetime.fromisoformat(body["occurred_at"])
        offset = at.utcoffset()
        assert offset is not None
        (identifier,) = body.pop("identifiers")
        data = ReceiptRecordedV1.model_validate(
            {**body, "receipt_id": named(f"r{number}"), "utc_offset_minutes": offset // timedelta(minutes=1)}
            | {"occurred_at": None},
            extra="ignore",
        )
        yield envelope(data, named(f"e{number}"), at.astimezone(UTC), named(identifier["value"]))


def _products(loaded: History) -> Iterator[Event]:
    for row in loaded.products:
        yield product(row["product_id"], *row["categories"])


async def test_features_from_postgresql_are_those_of_the_evaluation_bit_by_bit(database: Database) -> None:
    loaded = History(HOUSEHOLDS)
    for batch in _batches([*_products(loaded), *_receipts(loaded)], 1000):
        await apply(database, *batch)
    first = loaded.date_of(0)
    served = await read_history(
        database, since=first, until=first + timedelta(days=364), currency="USD", category_level=CATEGORY_LEVEL
    )
    evaluated = _evaluated(loaded)
    order = [_place(served.customer_ids, named(name)) for name in evaluated.customer_ids]
    for day in DAYS:
        ours = features(
            served.visits, day + FIRST_DAY + EPOCH_ORDINAL, weekday_of_day_zero=WEEKDAY_OF_DAY_ZERO
        ).values[order]
        theirs = features(evaluated.visits, day, weekday_of_day_zero=evaluated.weekday_of_day_zero).values
        same = (ours == theirs) | (np.isnan(ours) & np.isnan(theirs))
        assert [name for name, column in zip(NAMES, same.T, strict=True) if not column.all()] == [], day


def _evaluated(loaded: History) -> ChurnData:
    """The evaluation's frames of the same lines, with the catalogue that was loaded."""
    level = CATEGORY_LEVEL - 1
    categories = {row["product_id"]: row["categories"] for row in loaded.products}
    codes = {product: names[min(level, len(names) - 1)] for product, names in categories.items() if names}
    category = pl.col("product_id").replace_strict(codes, default=None).alias("category")
    return churn_data("completejourney", loaded.lines.with_columns(category), TIME_ZONE, SUNDAY)


def _place(customer_ids: tuple[UUID, ...], wanted: UUID) -> int:
    return customer_ids.index(wanted)


def _batches(events: list[Any], size: int) -> Iterator[list[Any]]:
    waiting = iter(events)
    while batch := list(itertools.islice(waiting, size)):
        yield batch
