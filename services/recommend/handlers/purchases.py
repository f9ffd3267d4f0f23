"""Applying receipts and voids: facts first, then the popularity of what was really new."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from uuid import UUID

from services.recommend import metrics
from services.recommend.store import changes, receipts
from services.recommend.store.receipts import PlaceKey, ReceiptRow, VoidRow
from services.recommend.store.shelf import REACH_DAYS
from shared.customers.erasures import erased_among
from shared.db import Transaction
from shared.identity import guest_subject_id
from shared.log.domain import partition_of

SALES = frozenset({"sale", "exchange"})
POPULARITY_KEPT_DAYS = 2 * REACH_DAYS
"""Twice as far as lists look back, so that a clock that is set back finds something."""


class PopularityChanges:
    """What a batch adds to the popularity of products, by the partition of the subject of each receipt.

    Returns change nothing here: what was bought was popular, even if it did not fit.
    """

    def __init__(self, partitions: int) -> None:
        self.changes: Counter[PlaceKey] = Counter()
        self._partitions = partitions

    def add(
        self,
        subject_id: UUID,
        store_id: str,
        day: date,
        moved: Sequence[tuple[str, int]],
        *,
        sign: int = 1,
    ) -> None:
        partition = partition_of(str(subject_id), self._partitions)
        for product_id, quantity in moved:
            if quantity >= 0:
                self.changes[day, store_id, product_id, partition] += sign


async def record_receipts(tx: Transaction, partitions: int, rows: Sequence[ReceiptRow]) -> None:
    """Keep receipts that are new, and count them unless they were voided before they came."""
    ordered = await _distinct(tx, rows)
    inserted = await receipts.insert_receipts(tx, ordered)
    popularity = PopularityChanges(partitions)
    for row in ordered:
        is_counted = row.receipt_id in inserted.fresh and row.receipt_id not in inserted.voided
        if is_counted and row.kind in SALES and not row.training:
            popularity.add(row.subject_id, row.store_id, row.business_date, row.moved)
    await receipts.add_popularity(tx, popularity.changes)
    await changes.note(tx, {row.subject_id for row in ordered if row.receipt_id in inserted.fresh})
    kinds = Counter(row.kind for row in ordered if row.receipt_id in inserted.fresh)
    for kind, count in kinds.items():
        tx.on_commit(partial(metrics.RECEIPTS.labels(kind).inc, count))


async def record_voids(tx: Transaction, partitions: int, voids: Sequence[VoidRow]) -> None:
    """Take back receipts, now if they are here, else when they come."""
    gone = await receipts.take_back(tx, [void.receipt_id for void in voids])
    replaced = await receipts.name_replacements(tx, _replacements(voids))
    popularity = PopularityChanges(partitions)
    for row in gone:
        if row["kind"] in SALES and not row["training"]:
            place = (row["subject_id"], row["store_id"], row["business_date"])
            popularity.add(*place, row["moved"], sign=-1)
    await receipts.add_popularity(tx, popularity.changes)
    await changes.note(tx, replaced.union(row["subject_id"] for row in gone))
    tx.on_commit(partial(metrics.VOIDS.inc, len(gone)))


def _replacements(voids: Sequence[VoidRow]) -> dict[UUID, UUID]:
    named = [(void.receipt_id, void.replaced_by) for void in voids if void.replaced_by is not None]
    return dict(sorted(named, key=lambda pair: pair[1].int, reverse=True))


async def forget_popularity(tx: Transaction, now: datetime) -> bool:
    """Delete the oldest day that no list looks back to any more; say whether there was one.

    What comes late for such a day, or takes it back, is deleted the next time: nobody reads it meanwhile.
    """
    before = (now - timedelta(days=POPULARITY_KEPT_DAYS)).date()
    return await receipts.delete_oldest_day(tx, before) > 0


async def _distinct(tx: Transaction, rows: Sequence[ReceiptRow]) -> list[ReceiptRow]:
    """Return each receipt once, in order of the ids; an erased subject's is a guest's of its own."""
    by_id = {row.receipt_id: row for row in rows}
    erased = await erased_among(tx, {row.subject_id for row in by_id.values()})
    ordered = [by_id[receipt_id] for receipt_id in sorted(by_id, key=lambda receipt_id: receipt_id.int)]
    return [_as_guest(row) if row.subject_id in erased else row for row in ordered]


def _as_guest(row: ReceiptRow) -> ReceiptRow:
    return replace(row, subject_id=guest_subject_id(row.event_id), is_guest=True)
