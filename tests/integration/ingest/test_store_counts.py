"""Counts and shown prices through the door, into the log of their own topic."""

import pytest

from shared.events.stores import PriceShownV1, StoreCountedV1
from tests.integration.ingest.conftest import Running
from tests.unit.ingest.test_store_counts import COUNT, PRICE

pytestmark = pytest.mark.postgres


async def test_counts_are_stored_once_and_a_changed_figure_is_a_conflict(ingest: Running) -> None:
    both = {"store_counts": [COUNT, {**COUNT, "zone_id": "dairy"}, {**COUNT, "mac": "x"}]}
    assert [one["status"] for one in await ingest.results("/v1/store-counts", both)] == [
        "accepted",
        "accepted",
        "refused",
    ]
    again = await ingest.results("/v1/store-counts", {"store_counts": [COUNT, {**COUNT, "counts": {"visitors": 1}}]})
    assert [one["status"] for one in again] == ["repeat", "conflict"]
    (shown,) = await ingest.results("/v1/shown-prices", PRICE)
    assert shown["status"] == "accepted"
    await ingest.number()
    rows = await ingest.database.fetch("SELECT topic, count(*) AS n FROM numbered GROUP BY topic")
    assert {row["topic"]: row["n"] for row in rows} == {"retail.stores.v1": 3}
    kinds = sorted(type(one.data).__name__ for one in await ingest.envelopes())
    assert kinds == [PriceShownV1.__name__, StoreCountedV1.__name__, StoreCountedV1.__name__]
