"""Coupons, redemptions and their caps.

Every cap is one conditional UPDATE whose row count is the answer: no count is read, decided on and written.
Rows are taken in one order everywhere (coupons, campaigns, customers, each by id), so that two baskets with the
same coupons cannot wait for each other.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import TypeAdapter

from services.campaign.domain.campaigns import Offer
from services.campaign.domain.coupons import Coupon
from shared.db import Database, Row, Transaction

_OFFER = TypeAdapter(Offer)


async def coupons_by_code(
    reads: Transaction | Database, codes: Collection[str], currency: str
) -> Mapping[str, Coupon]:
    """Return the coupons that exist, by code; each with the customer that its holder belongs to now."""
    rows = await reads.fetch(f"{_COUPON_SQL} WHERE code = ANY($1::text[])", list(codes))
    return {row["code"]: _coupon(row, currency) for row in rows}


COUPONS_MAX = 500
"""Of one customer in one answer: every till asks for them, and who has more holds old ones behind these."""


async def coupons_of(
    database: Database, subject_ids: Collection[UUID], currency: str
) -> list[tuple[Coupon, datetime]]:
    """Return the newest COUPONS_MAX coupons of a customer, given as subjects, with when each was issued."""
    rows = await database.fetch(
        f"{_COUPON_SQL} WHERE coupons.customer_id = ANY($1::uuid[]) ORDER BY issued_at DESC, coupon_id LIMIT $2",
        list(subject_ids),
        COUPONS_MAX,
    )
    return [(_coupon(row, currency), row["issued_at"]) for row in rows]


_COUPON_SQL = (
    "SELECT coupon_id, coupons.campaign_id, coalesce(owner.customer_id, coupons.customer_id) AS customer_id, code,"
    " plan -> 'offer' AS offer, uses, uses_max, withdrawn_at, issued_at FROM coupons"
    " JOIN campaigns USING (campaign_id) LEFT JOIN assignments AS owner ON owner.subject_id = coupons.customer_id"
)


def _coupon(row: Row, currency: str) -> Coupon:
    return Coupon(
        coupon_id=row["coupon_id"],
        campaign_id=row["campaign_id"],
        customer_id=row["customer_id"],
        code=row["code"],
        offer=_OFFER.validate_python(row["offer"]),
        currency=currency,
        uses=row["uses"],
        is_withdrawn=row["withdrawn_at"] is not None,
        is_exhausted=row["uses"] >= row["uses_max"],
    )


@dataclass(frozen=True, slots=True)
class Item:
    """One coupon's part in a redemption. `customer_id`: the holder at that moment, whose uses are counted."""

    coupon_id: UUID
    campaign_id: UUID
    customer_id: UUID
    discount_minor: int
    uses_per_customer: int = 1


async def take_caps(tx: Transaction, items: Sequence[Item]) -> Mapping[UUID, str]:
    """Take one use and the money from every cap.

    Returns the coupons that found no room, each with the first cap that it met; the caller then undoes all.
    """
    reached: dict[UUID, str] = {}

    async def take(limit: str, item: Item, take_sql: str, *arguments: object) -> None:
        # What met one cap takes nothing of the next, which the others may still fit.
        if item.coupon_id not in reached and not await tx.execute(take_sql, *arguments):
            reached[item.coupon_id] = limit

    for item in sorted(items, key=lambda item: item.coupon_id):
        await take("code_uses", item, _TAKE_CODE, item.coupon_id)
    for item in sorted(items, key=lambda item: (item.campaign_id, item.coupon_id)):
        await take("campaign_discount", item, _TAKE_MONEY, item.campaign_id, item.discount_minor)
        await take("campaign_uses", item, _TAKE_USE, item.campaign_id)
    for item in sorted(items, key=lambda item: (item.campaign_id, item.customer_id, item.coupon_id)):
        await take("customer_uses", item, _TAKE_CUSTOMER, item.campaign_id, item.customer_id, item.uses_per_customer)
    return reached


_TAKE_CODE = "UPDATE coupons SET uses = uses + 1 WHERE coupon_id = $1 AND uses < uses_max AND withdrawn_at IS NULL"
_TAKE_USE = (
    "UPDATE campaign_caps SET uses = uses + 1 WHERE campaign_id = $1 AND (uses_max IS NULL OR uses < uses_max)"
)
_TAKE_MONEY = (
    "UPDATE campaign_caps SET discount_minor = discount_minor + $2 WHERE campaign_id = $1"
    " AND (discount_max_minor IS NULL OR discount_minor + $2 <= discount_max_minor)"
)
_TAKE_CUSTOMER = (
    "INSERT INTO customer_uses (campaign_id, customer_id, uses, uses_max) VALUES ($1, $2, 1, $3)"
    " ON CONFLICT (campaign_id, customer_id) DO UPDATE SET uses = customer_uses.uses + 1"
    " WHERE customer_uses.uses < customer_uses.uses_max"
)


async def give_caps_back(tx: Transaction, items: Sequence[Item]) -> None:
    """Give back what `take_caps` took, in the same order."""
    for item in sorted(items, key=lambda item: item.coupon_id):
        await tx.execute("UPDATE coupons SET uses = uses - 1 WHERE coupon_id = $1", item.coupon_id)
    for item in sorted(items, key=lambda item: (item.campaign_id, item.coupon_id)):
        await tx.execute(
            "UPDATE campaign_caps SET uses = uses - 1, discount_minor = discount_minor - $2 WHERE campaign_id = $1",
            item.campaign_id,
            item.discount_minor,
        )
    for item in sorted(items, key=lambda item: (item.campaign_id, item.customer_id, item.coupon_id)):
        await tx.execute(
            "UPDATE customer_uses SET uses = uses - 1 WHERE campaign_id = $1 AND customer_id = $2",
            item.campaign_id,
            item.customer_id,
        )


async def open_caps(tx: Transaction, campaign_id: UUID, uses_max: int | None, discount_max_minor: int | None) -> None:
    await tx.execute(
        "INSERT INTO campaign_caps (campaign_id, uses_max, discount_max_minor) VALUES ($1, $2, $3)"
        " ON CONFLICT DO NOTHING",
        campaign_id,
        uses_max,
        discount_max_minor,
    )


@dataclass(frozen=True, slots=True)
class Redemption:
    """What was redeemed."""

    redemption_id: UUID
    customer_id: UUID
    store_id: str
    receipt_key: dict[str, Any] | None
    currency: str
    total_minor: int
    discount_minor: int
    redeemed_at: datetime
    redeemed_by: str


async def add_redemption(tx: Transaction, redemption: Redemption, items: Sequence[Item]) -> None:
    await tx.execute(
        "INSERT INTO redemptions (redemption_id, customer_id, store_id, receipt_key, currency, total_minor,"
        " discount_minor, redeemed_at, redeemed_by) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        redemption.redemption_id,
        redemption.customer_id,
        redemption.store_id,
        redemption.receipt_key,
        redemption.currency,
        redemption.total_minor,
        redemption.discount_minor,
        redemption.redeemed_at,
        redemption.redeemed_by,
    )
    await tx.executemany(
        "INSERT INTO redemption_items (redemption_id, coupon_id, campaign_id, customer_id, discount_minor)"
        " VALUES ($1, $2, $3, $4, $5)",
        [
            (redemption.redemption_id, item.coupon_id, item.campaign_id, item.customer_id, item.discount_minor)
            for item in items
        ],
    )


async def find_redemption(tx: Transaction, redemption_id: UUID) -> tuple[Redemption, list[Item]] | None:
    row = await tx.fetchrow(
        "SELECT redemption_id, customer_id, store_id, receipt_key, currency, total_minor, discount_minor,"
        " redeemed_at, redeemed_by FROM redemptions WHERE redemption_id = $1",
        redemption_id,
    )
    if row is None:
        return None
    items = await tx.fetch(
        f"SELECT coupon_id, campaign_id, {USED_BY} AS customer_id, discount_minor FROM redemption_items AS items"
        " WHERE redemption_id = $1 ORDER BY coupon_id",
        redemption_id,
    )
    return Redemption(**dict(row)), [Item(**dict(item)) for item in items]


USED_BY = (
    "coalesce((SELECT to_id FROM use_transfers AS moved WHERE moved.redemption_id = items.redemption_id"
    " AND moved.coupon_id = items.coupon_id ORDER BY n DESC LIMIT 1), items.customer_id)"
)
"""Whose use an item counts as: the holder's at that moment, or of whom it was put right for since."""


@dataclass(frozen=True, slots=True)
class MisplacedUse:
    """A use that counts as somebody's who is not the coupon's holder, or no longer."""

    redemption_id: UUID
    coupon_id: UUID
    campaign_id: UUID
    from_id: UUID
    to_id: UUID


async def hold_holders(tx: Transaction, codes: Collection[str]) -> None:
    """Keep the holders of these coupons assigned as they are until the transaction ends."""
    await tx.execute(
        "SELECT 1 FROM assignments WHERE subject_id IN (SELECT customer_id FROM coupons WHERE code = ANY($1::text[]))"
        " ORDER BY subject_id FOR SHARE",
        list(codes),
    )


async def coupons_held_by(tx: Transaction, subject_ids: Collection[UUID]) -> list[UUID]:
    """Lock, and return, the used coupons that were issued to these subjects."""
    rows = await tx.fetch(
        "SELECT coupon_id FROM coupons WHERE customer_id = ANY($1::uuid[]) AND uses > 0"
        " ORDER BY coupon_id FOR UPDATE",
        list(subject_ids),
    )
    return [row["coupon_id"] for row in rows]


async def misplaced_uses(tx: Transaction, coupon_ids: Collection[UUID]) -> list[MisplacedUse]:
    """Return the standing uses of these coupons that count as another customer's than their holders'."""
    rows = await tx.fetch(
        "SELECT used.redemption_id, used.coupon_id, used.campaign_id, used.from_id,"
        " coalesce(holder.customer_id, coupons.customer_id) AS to_id"
        f" FROM (SELECT redemption_id, coupon_id, campaign_id, {USED_BY} AS from_id FROM redemption_items AS items"
        "  WHERE coupon_id = ANY($1::uuid[]) AND NOT EXISTS"
        "  (SELECT 1 FROM rollbacks WHERE rollbacks.redemption_id = items.redemption_id)) AS used"
        " JOIN coupons USING (coupon_id) LEFT JOIN assignments holder ON holder.subject_id = coupons.customer_id"
        " LEFT JOIN assignments counted ON counted.subject_id = used.from_id"
        " WHERE coalesce(counted.customer_id, used.from_id) <> coalesce(holder.customer_id, coupons.customer_id)"
        " ORDER BY used.campaign_id, used.from_id, used.coupon_id, used.redemption_id",
        list(coupon_ids),
    )
    return [MisplacedUse(**dict(row)) for row in rows]


async def move_use(tx: Transaction, use: MisplacedUse, at: datetime) -> None:
    """Count a use as the holder's; the redemption itself stays as it was."""
    await tx.execute(
        "INSERT INTO use_transfers (redemption_id, coupon_id, n, from_id, to_id, transferred_at)"
        " SELECT $1, $2, (SELECT count(*) + 1 FROM use_transfers WHERE redemption_id = $1 AND coupon_id = $2),"
        " $3, $4, $5",
        use.redemption_id,
        use.coupon_id,
        use.from_id,
        use.to_id,
        at,
    )
    await tx.execute(
        "INSERT INTO customer_uses AS known (campaign_id, customer_id, uses, uses_max)"
        " SELECT campaign_id, $3, 1, uses_max FROM customer_uses WHERE campaign_id = $1 AND customer_id = $2"
        " ON CONFLICT (campaign_id, customer_id) DO UPDATE SET uses = known.uses + 1,"
        " uses_max = greatest(known.uses_max, known.uses + 1)",
        use.campaign_id,
        use.from_id,
        use.to_id,
    )
    await tx.execute(
        "UPDATE customer_uses SET uses = uses - 1 WHERE campaign_id = $1 AND customer_id = $2",
        use.campaign_id,
        use.from_id,
    )


async def add_rollback(tx: Transaction, redemption_id: UUID, reason: str | None, actor: str, now: datetime) -> bool:
    """Record the rollback; return False when there is one already. Whoever comes second waits for the first."""
    rows = await tx.execute(
        "INSERT INTO rollbacks (redemption_id, reason, rolled_back_at, rolled_back_by) VALUES ($1, $2, $3, $4)"
        " ON CONFLICT (redemption_id) DO NOTHING",
        redemption_id,
        reason,
        now,
        actor,
    )
    return rows == 1
