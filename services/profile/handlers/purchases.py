"""Applying receipts and voids: facts first, then the totals and marks of what was really new."""

from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar
from uuid import UUID

from services.profile import metrics
from services.profile.domain.purchases import (
    NOTHING,
    SALES,
    Figures,
    ReceiptFact,
    Totals,
    VoidFact,
    counted,
    counted_of,
)
from services.profile.store import people, receipts, segments
from shared.customers.erasures import erased_among
from shared.db import Transaction
from shared.identity import guest_subject_id
from shared.log.domain import partition_of

Fact = TypeVar("Fact", ReceiptFact, VoidFact)


class StoreChanges:
    """What a batch adds to the totals of stores, by the partition of the subject of each fact."""

    def __init__(self, partitions: int) -> None:
        self.changes: dict[receipts.PlaceKey, tuple[int, Figures]] = {}
        self._partitions = partitions

    def add(self, store_id: str, subject_id: UUID, currency: str, figures: Figures, *, facts: int = 0) -> None:
        key = (store_id, partition_of(str(subject_id), self._partitions), currency)
        known_facts, known = self.changes.get(key, (0, NOTHING))
        self.changes[key] = (known_facts + facts, known + figures)


async def record_receipts(tx: Transaction, partitions: int, facts: Sequence[ReceiptFact]) -> None:
    """Keep receipts that are new, count them unless they were voided before they came, and mark their customers."""
    ordered = await _distinct(tx, facts)
    inserted = await receipts.insert_receipts(tx, ordered)
    fresh = [fact for fact in ordered if fact.receipt_id in inserted.fresh]
    if not fresh:
        return
    stores = StoreChanges(partitions)
    totals = _subject_changes(fresh, inserted.voided, stores)
    await receipts.add_totals(tx, totals.values(), (subject_id for subject_id, _ in totals))
    if inserted.voided:
        await _forgive_voids(tx, inserted.voided, stores)
    await receipts.add_to_stores(tx, stores.changes)
    await _mark(tx, fresh)
    for kind, count in Counter(fact.kind for fact in fresh).items():
        tx.on_commit(partial(metrics.RECEIPTS.labels(kind).inc, count))


async def record_voids(tx: Transaction, partitions: int, facts: Sequence[VoidFact]) -> None:
    """Keep voids that are new and take back what they name, now if it is here, else when it comes."""
    ordered = await _distinct(tx, facts)
    new_ids = await receipts.insert_voids(tx, ordered)
    fresh = [fact for fact in ordered if fact.receipt_id in new_ids]
    if not fresh:
        return
    taken_back, unknown = await receipts.take_back(tx, {fact.voids_receipt_id for fact in fresh})
    stores = StoreChanges(partitions)
    for fact in fresh:
        is_unknown = fact.voids_receipt_id in unknown
        pending = Figures(unknown_void_minor=fact.amount_minor if is_unknown else 0)
        stores.add(fact.store_id, fact.subject_id, fact.currency, pending, facts=1)
    for gone in taken_back:
        stores.add(gone.store_id, gone.subject_id, gone.currency, -_counted_before(gone))
    touched = [fact.subject_id for fact in fresh] + [gone.subject_id for gone in taken_back]
    await receipts.recount(tx, touched)
    await receipts.add_to_stores(tx, stores.changes)
    await _mark(tx, fresh)
    await segments.mark_subjects_by_id(tx, [gone.subject_id for gone in taken_back])
    tx.on_commit(partial(metrics.VOIDS.inc, len(fresh)))


async def _distinct(tx: Transaction, facts: Iterable[Fact]) -> list[Fact]:
    """Return each fact once, in order of the ids; an erased subject's fact is a guest's of its own."""
    by_id = {fact.receipt_id: fact for fact in facts}
    erased = await erased_among(tx, {fact.subject_id for fact in by_id.values()})
    ordered = [by_id[receipt_id] for receipt_id in sorted(by_id, key=lambda receipt_id: receipt_id.int)]
    return [_as_guest(fact) if fact.subject_id in erased else fact for fact in ordered]


def _as_guest(fact: Fact) -> Fact:
    return replace(fact, subject_id=guest_subject_id(fact.event_id), subject_kind="guest")


def _subject_changes(
    fresh: Iterable[ReceiptFact], voided: Collection[UUID], stores: StoreChanges
) -> dict[tuple[UUID, str], Totals]:
    """Return what the receipts add to each subject and currency; add the same to the stores."""
    totals: dict[tuple[UUID, str], Totals] = {}
    for fact in fresh:
        figures = NOTHING if fact.receipt_id in voided else counted_of(fact)
        stores.add(fact.store_id, fact.subject_id, fact.currency, figures, facts=1)
        at = fact.occurred_at if figures is not NOTHING and fact.kind in SALES else None
        change = Totals(fact.currency, figures, at, at)
        key = (fact.subject_id, fact.currency)
        totals[key] = totals[key].merged(change) if key in totals else change
    return totals


async def _forgive_voids(tx: Transaction, receipt_ids: Collection[UUID], stores: StoreChanges) -> None:
    """Undo what voids took from net while the receipts that they name were unknown."""
    subject_ids = []
    for row in await receipts.voids_naming(tx, receipt_ids):
        pending = Figures(unknown_void_minor=-row["amount_minor"])
        stores.add(row["store_id"], row["subject_id"], row["currency"], pending)
        subject_ids.append(row["subject_id"])
    await receipts.recount(tx, subject_ids)
    await segments.mark_subjects_by_id(tx, subject_ids)


def _counted_before(gone: receipts.Voided) -> Figures:
    return counted(
        gone.kind,
        training=gone.training,
        sold_minor=gone.sold_minor,
        returned_minor=gone.returned_minor,
        items=gone.items,
    )


async def _mark(tx: Transaction, fresh: Iterable[ReceiptFact] | Iterable[VoidFact]) -> None:
    kinds = {fact.subject_id: fact.subject_kind for fact in fresh}
    known = {subject_id: kind for subject_id, kind in kinds.items() if kind != "guest"}
    if known:
        await people.see_subjects(tx, known)
    await segments.mark_subjects(tx, kinds)
