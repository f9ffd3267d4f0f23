"""Applying what topics told; each function takes many events, in one transaction."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.campaign.handlers import erasing
from services.campaign.handlers.points import Points
from services.campaign.handlers.redemptions import put_uses_right
from services.campaign.store import facts
from services.campaign.store import points as points_store
from services.campaign.store.facts import ConsentSaid, Product, Receipt, Store, Void, WarningState
from shared.customers.memberships import Membership, keep_memberships
from shared.db import Transaction
from shared.events import Envelope
from shared.events.customers import CustomerErasedV1


@dataclass(frozen=True, slots=True)
class Facts:
    """Stores facts and settles the points that follow from them."""

    points: Points

    async def record_receipts(self, tx: Transaction, receipts: Sequence[Receipt]) -> None:
        receipts = await erasing.as_nobodys(tx, receipts)
        fresh = await facts.add_receipts(tx, receipts)
        named = [receipt for receipt in receipts if receipt.receipt_id in fresh]
        families = {receipt.receipt_id for receipt in named}
        families |= {receipt.returns_receipt_id for receipt in named if receipt.returns_receipt_id is not None}
        await self._settle(tx, families, fresh)

    async def erase(self, tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> None:
        await erasing.erase(tx, events, self.points)

    async def record_voids(self, tx: Transaction, voids: Sequence[Void]) -> None:
        fresh = await facts.add_voids(tx, voids)
        voided = {void.receipt_id for void in voids if void.void_id in fresh}
        held = await points_store.lock_lines(tx, voided)
        families = await points_store.families_of(tx, voided) | held
        await self._settle(tx, families, fresh)

    async def put_right(self, tx: Transaction, subject_ids: Collection[UUID]) -> None:
        """Correct, by transfers, what one subject spent or used of another's when both were one customer."""
        await put_uses_right(tx, subject_ids, self.points.clock.now())
        await self.points.give_back(tx, subject_ids)

    async def _settle(self, tx: Transaction, families: Collection[UUID], fresh: Collection[UUID]) -> None:
        if families:
            held = await points_store.lock_lines(tx, families)
            await self.points.settle(tx, held, fresh)


async def record_consents(tx: Transaction, said: Sequence[ConsentSaid]) -> None:
    await facts.keep_consents(tx, await erasing.consents_left(tx, said))


async def record_memberships(tx: Transaction, transitions: Sequence[Membership]) -> None:
    await keep_memberships(tx, await erasing.told_left(tx, transitions))


async def record_warnings(tx: Transaction, changes: Sequence[WarningState]) -> None:
    await facts.keep_warnings(tx, await erasing.told_left(tx, changes))


async def record_products(tx: Transaction, products: Sequence[Product]) -> None:
    await facts.keep_products(tx, products)


async def record_stores(tx: Transaction, stores: Sequence[Store]) -> None:
    await facts.keep_stores(tx, stores)
