"""Applying what is known of people: assignments, attributes, consents, moments, and erasures."""

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar
from uuid import UUID

from services.profile import metrics
from services.profile.domain.purchases import NOTHING, Figures, counted
from services.profile.handlers.purchases import StoreChanges
from services.profile.store import people, receipts, segments
from services.profile.store.people import AttributeFact, ConsentFact, MaskFact, MomentFact
from shared.customers import apply_assignments
from shared.customers.erasures import erased_among
from shared.db import Row, Transaction
from shared.events import Envelope
from shared.events.customers import SubjectAssignedV1
from shared.identity import guest_subject_id

Fact = TypeVar("Fact", AttributeFact, ConsentFact, MomentFact, MaskFact)


async def assign_subjects(
    tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]], masks: Sequence[MaskFact]
) -> None:
    """Apply assignments; every customer that gained or lost a subject is folded anew."""
    changed = await apply_assignments(tx, events)
    kept = await _not_erased(tx, masks)
    if kept:
        await people.keep_masks(tx, kept)
    await segments.mark_dirty(tx, changed)


async def record_attributes(tx: Transaction, facts: Sequence[AttributeFact], kinds: Mapping[UUID, str]) -> None:
    kept = await _not_erased(tx, facts)
    await _see(tx, kept, kinds)
    await people.keep_attributes(tx, kept)


async def record_consents(tx: Transaction, facts: Sequence[ConsentFact], kinds: Mapping[UUID, str]) -> None:
    kept = await _not_erased(tx, facts)
    await _see(tx, kept, kinds)
    await people.keep_consents(tx, kept)


async def record_moments(tx: Transaction, facts: Sequence[MomentFact], kinds: Mapping[UUID, str]) -> None:
    """Keep what happened to known people and devices; what happens to guests belongs to nobody's timeline."""
    told = [fact for fact in facts if kinds[fact.subject_id] in {"identified", "device"}]
    kept = await _not_erased(tx, told)
    await _see(tx, kept, kinds)
    await people.insert_moments(tx, kept)


async def _not_erased(tx: Transaction, facts: Sequence[Fact]) -> list[Fact]:
    erased = await erased_among(tx, {fact.subject_id for fact in facts})
    return [fact for fact in facts if fact.subject_id not in erased]


async def _see(
    tx: Transaction, facts: Sequence[AttributeFact | ConsentFact | MomentFact], kinds: Mapping[UUID, str]
) -> None:
    """Remember whom the facts are about, and have new ones folded."""
    seen = {fact.subject_id: kinds[fact.subject_id] for fact in facts}
    if seen:
        await people.see_subjects(tx, seen)
        await segments.mark_subjects(tx, seen)


async def erase(
    tx: Transaction, partitions: int, subject_ids: Collection[UUID], customer_ids: Collection[UUID]
) -> None:
    """Forget subjects: their receipts and voids become guests' of their own, everything else is deleted.

    The tables are then as if these events had been guests' from the start.
    """
    ordered = sorted(set(subject_ids), key=lambda subject_id: subject_id.int)
    stores = StoreChanges(partitions)
    bought = await people.receipts_to_rewrite(tx, ordered)
    taken_back = await people.voids_to_rewrite(tx, ordered)
    for row in bought:
        _move(stores, row, _figures_of_receipt(row))
    for row in taken_back:
        _move(stores, row, Figures(unknown_void_minor=row["amount_minor"] if row["is_unknown"] else 0))
    guests = {row["receipt_id"]: guest_subject_id(row["event_id"]) for row in (*bought, *taken_back)}
    await people.rewrite_receipts(tx, guests)
    await people.rewrite_voids(tx, guests)
    await people.forget_subjects(tx, ordered)
    await people.forget_customers(tx, [*customer_ids, *ordered])
    if guests:
        await receipts.recount(tx, set(guests.values()))
        await receipts.add_to_stores(tx, stores.changes)
    tx.on_commit(partial(metrics.ERASED.inc, len(ordered)))


def _figures_of_receipt(row: Row) -> Figures:
    if row["voided"]:
        return NOTHING
    return counted(
        row["kind"],
        training=row["training"],
        sold_minor=row["sold_minor"],
        returned_minor=row["returned_minor"],
        items=row["items"],
    )


def _move(stores: StoreChanges, row: Row, figures: Figures) -> None:
    """Move one fact in the stores' totals from the subject's partition to its guest's."""
    stores.add(row["store_id"], row["subject_id"], row["currency"], -figures, facts=-1)
    stores.add(row["store_id"], guest_subject_id(row["event_id"]), row["currency"], figures, facts=1)
