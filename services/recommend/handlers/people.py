"""Applying what is known of people: consents, what they looked at, and erasures."""

from collections.abc import Collection, Sequence
from datetime import datetime
from functools import partial
from uuid import UUID

from services.recommend import metrics
from services.recommend.handlers.purchases import SALES, PopularityChanges
from services.recommend.store import changes, people, receipts
from services.recommend.store.people import ViewRow
from shared.customers import apply_assignments
from shared.customers.erasures import erased_among
from shared.customers.objections import PersonalisationConsent, keep_consents
from shared.db import Transaction
from shared.events import Envelope, topic_of
from shared.events.customers import SubjectAssignedV1
from shared.events.retention import told_since
from shared.identity import guest_subject_id

BEHAVIOUR = topic_of("ProductViewed").name
VIEWS_AT_ONCE = 5000


async def record_assignments(tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]]) -> None:
    await apply_assignments(tx, events)
    await changes.note(tx, {event.data.subject_id for event in events})


async def record_consents(tx: Transaction, said: Sequence[PersonalisationConsent]) -> None:
    erased = await erased_among(tx, {one.subject_id for one in said})
    await keep_consents(tx, [one for one in said if one.subject_id not in erased])
    await changes.note(tx, {one.subject_id for one in said} - erased)


async def record_views(tx: Transaction, rows: Sequence[ViewRow]) -> None:
    erased = await erased_among(tx, {row.subject_id for row in rows})
    await people.keep_views(tx, [row for row in rows if row.subject_id not in erased])


async def forget_views(tx: Transaction, now: datetime) -> bool:
    """Delete a lot of views whose events' bodies expire; say whether more may be left."""
    before = told_since(BEHAVIOUR, now)
    return before is not None and await people.delete_views(tx, before, VIEWS_AT_ONCE) == VIEWS_AT_ONCE


async def erase(
    tx: Transaction, partitions: int, subject_ids: Collection[UUID], customer_ids: Collection[UUID]
) -> None:
    """Forget subjects: their receipts become guests' of their own, everything else about them is deleted.

    The tables are then as if these receipts had been guests' from the start.
    """
    ordered = sorted(set(subject_ids), key=lambda subject_id: subject_id.int)
    popularity = PopularityChanges(partitions)
    guests: dict[UUID, UUID] = {}
    for row in await receipts.receipts_to_rewrite(tx, ordered):
        guest_id = guest_subject_id(row["event_id"])
        guests[row["receipt_id"]] = guest_id
        if row["kind"] in SALES and not row["training"] and not row["voided"]:
            sold = (row["store_id"], row["business_date"], row["moved"])
            popularity.add(row["subject_id"], *sold, sign=-1)
            popularity.add(guest_id, *sold)
    await receipts.rewrite_receipts(tx, guests)
    await people.forget_subjects(tx, ordered, sorted(customer_ids, key=lambda customer_id: customer_id.int))
    await receipts.add_popularity(tx, popularity.changes)
    await changes.note(tx, {*ordered, *guests.values()})
    tx.on_commit(partial(metrics.ERASED.inc, len(ordered)))
