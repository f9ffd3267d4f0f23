"""Applying what is known of purchases and people: receipts, voids, products, and erasures."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from functools import partial

from services.churn import metrics
from services.churn.handlers import transitions
from services.churn.store import consents, facts, scores, warnings
from services.churn.store.facts import ProductFact, ReceiptFact, VoidFact
from shared.customers.erasures import apply_erasures, erased_among
from shared.db import Transaction
from shared.events import Envelope
from shared.events.customers import CustomerErasedV1
from shared.identity import guest_subject_id


async def record_receipts(tx: Transaction, receipts: Sequence[ReceiptFact]) -> None:
    """Keep receipts that are new; an erased subject's receipt is a guest's of its own."""
    by_id = {fact.receipt_id: fact for fact in receipts}
    erased = await erased_among(tx, {fact.subject_id for fact in by_id.values()})
    ordered = [by_id[receipt_id] for receipt_id in sorted(by_id, key=lambda receipt_id: receipt_id.int)]
    new_ids = await facts.insert_receipts(
        tx, [_as_guest(fact) if fact.subject_id in erased else fact for fact in ordered]
    )
    for kind, count in Counter(by_id[receipt_id].kind for receipt_id in new_ids).items():
        tx.on_commit(partial(metrics.RECEIPTS.labels(kind).inc, count))


def _as_guest(fact: ReceiptFact) -> ReceiptFact:
    return replace(fact, subject_id=guest_subject_id(fact.event_id), identified=False)


async def record_voids(tx: Transaction, voids: Sequence[VoidFact]) -> None:
    """Keep voids that are new; what they take back is left out when visits are read, whichever came first."""
    tx.on_commit(partial(metrics.VOIDS.inc, await facts.insert_voids(tx, voids)))


async def record_products(tx: Transaction, products: Sequence[ProductFact]) -> None:
    await facts.keep_products(tx, products)


async def erase(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> None:
    """Forget subjects and their customers: receipts become guests' of their own, scores and warnings go.

    An open warning is closed aloud first, so that those who were told of it forget it too.
    """
    subject_ids = await apply_erasures(tx, events)
    customer_ids = sorted({event.data.customer_id for event in events}, key=lambda customer_id: customer_id.int)
    await scores.lock_scoring(tx)
    await facts.remember_erased(tx, {*subject_ids, *customer_ids})
    for event in events:
        await transitions.close(
            tx,
            await warnings.open_of(tx, [event.data.customer_id, event.subject_id]),
            outcome="erased",
            as_of=event.occurred_at.date(),
            at=event.received_at,
        )
    await consents.forget_subjects(tx, subject_ids)
    await facts.rewrite_receipts(tx, await facts.receipts_of(tx, subject_ids))
    forgotten = [*customer_ids, *subject_ids]
    await scores.forget_customers(tx, forgotten)
    await warnings.forget_customers(tx, forgotten)
    tx.on_commit(partial(metrics.ERASED.inc, len(subject_ids)))
