"""Serving and evaluation see the same: receipts that went through PostgreSQL give the evaluation's features."""

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from regulars.datasets.completejourney import FIRST_DAY
from regulars.evaluation.churn_data import complete_journey
from regulars.loading.completejourney import History
from services.churn.features import features
from services.churn.history import WEEKDAY_OF_DAY_ZERO
from services.churn.store.history import read_history
from shared.db import Database
from shared.events.receipts import ReceiptRecordedV1
from tests.integration.churn.shops import Event, apply, envelope, named, product

pytestmark = pytest.mark.postgres

HOUSEHOLDS = 25
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
        database, since=first, until=first + timedelta(days=364), currency="USD", category_level=2
    )
    evaluated = complete_journey(HOUSEHOLDS)
    order = [_place(served.customer_ids, named(name)) for name in evaluated.customer_ids]
    for day in DAYS:
        ours = features(
            served.visits, day + FIRST_DAY + EPOCH_ORDINAL, weekday_of_day_zero=WEEKDAY_OF_DAY_ZERO
        ).values[order]
        theirs = features(evaluated.visits, day, weekday_of_day_zero=evaluated.weekday_of_day_zero).values
        assert np.array_equal(ours, theirs, equal_nan=True), day


def _place(customer_ids: tuple[UUID, ...], wanted: UUID) -> int:
    return customer_ids.index(wanted)


def _batches(events: list[Any], size: int) -> Iterator[list[Any]]:
    waiting = iter(events)
    while batch := list(itertools.islice(waiting, size)):
        yield batch
