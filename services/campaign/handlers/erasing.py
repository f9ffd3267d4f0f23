"""Applying erasures: the person's rows go or become nobody's, and what comes later is nobody's too."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TypeVar
from uuid import UUID

from services.campaign.handlers.points import Points
from services.campaign.store import erasures as store
from services.campaign.store import points as points_store
from services.campaign.store.facts import ConsentSaid, Receipt, WarningState
from shared.customers.erasures import apply_erasures, erased_among
from shared.customers.memberships import Membership
from shared.db import Transaction
from shared.events import Envelope
from shared.events.customers import CustomerErasedV1
from shared.identity import guest_subject_id

Told = TypeVar("Told", Membership, WarningState)


async def erase(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]], points: Points) -> None:
    """Forget subjects and the customers that they were; the tables are then as if guests had bought."""
    subject_ids = await apply_erasures(tx, events)
    customer_ids = sorted({*subject_ids, *(event.data.customer_id for event in events)})
    receipt_ids = await store.rewrite_receipts(tx, subject_ids)
    await store.forget_subjects(tx, subject_ids)
    await store.forget_customers(tx, customer_ids)
    if receipt_ids:
        # A guest's sale earns points too, for whoever may claim it: its own account, and nothing else.
        await points_store.lock_families(tx, receipt_ids)
        await points.settle(tx, receipt_ids, await store.members_of(tx, receipt_ids))


async def as_nobodys(tx: Transaction, receipts: Sequence[Receipt]) -> list[Receipt]:
    """Return the receipts, those of erased subjects as guests' of their own."""
    erased = await erased_among(tx, {receipt.subject_id for receipt in receipts})
    return [_guests(receipt) if receipt.subject_id in erased else receipt for receipt in receipts]


def _guests(receipt: Receipt) -> Receipt:
    return replace(receipt, subject_id=guest_subject_id(receipt.receipt_id), subject_kind="guest")


async def consents_left(tx: Transaction, said: Sequence[ConsentSaid]) -> list[ConsentSaid]:
    """Return what was not said by an erased subject."""
    erased = await erased_among(tx, {consent.subject_id for consent in said})
    return [consent for consent in said if consent.subject_id not in erased]


async def told_left(tx: Transaction, told: Sequence[Told]) -> list[Told]:
    """Return what other services did not tell of an erased customer."""
    customer_ids: set[UUID] = {one.customer_id for one in told}
    erased = await erased_among(tx, customer_ids)
    return [one for one in told if one.customer_id not in erased]
