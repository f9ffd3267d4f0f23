"""Forgetting people: their receipts become nobody's, what was earned, sent and issued to them goes."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.identity import guest_subject_id

_OF_SUBJECTS = ("consents", "points_lots", "ledger_lines", "points_accounts")
_OF_CUSTOMERS = ("segment_memberships", "warnings", "messages", "participants", "customer_uses")


async def erased_since(reads: Reads, at: datetime) -> list[UUID]:
    """Return who was erased here since a moment."""
    rows = await reads.fetch("SELECT DISTINCT subject_id FROM applied_erasures WHERE applied_at >= $1 ORDER BY 1", at)
    return [row["subject_id"] for row in rows]


async def rewrite_receipts(tx: Transaction, subject_ids: Sequence[UUID]) -> list[UUID]:
    """Give each receipt of these subjects to a guest of its own, and return their ids.

    A receipt's id is its event's, so that the guest is the one that the archive names.
    """
    rows = await tx.fetch(
        "SELECT receipt_id FROM receipts WHERE subject_id = ANY($1::uuid[]) ORDER BY receipt_id FOR UPDATE",
        list(subject_ids),
    )
    receipt_ids = [row["receipt_id"] for row in rows]
    await tx.execute(
        "UPDATE receipts r SET subject_id = g.guest_id, subject_kind = 'guest'"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (receipt_id, guest_id) WHERE r.receipt_id = g.receipt_id",
        receipt_ids,
        [guest_subject_id(receipt_id) for receipt_id in receipt_ids],
    )
    return receipt_ids


async def members_of(tx: Transaction, sale_ids: Sequence[UUID]) -> set[UUID]:
    """Return the ids of these sales, of the returns that name them, and of all their voids."""
    rows = await tx.fetch(
        "WITH members AS (SELECT receipt_id FROM receipts"
        "  WHERE receipt_id = ANY($1::uuid[]) OR returns_receipt_id = ANY($1::uuid[]))"
        " SELECT receipt_id FROM members UNION SELECT void_id FROM voids JOIN members USING (receipt_id)",
        list(sale_ids),
    )
    return {row["receipt_id"] for row in rows}


async def forget_subjects(tx: Transaction, subject_ids: Sequence[UUID]) -> None:
    """Delete what is kept by subject: consents, and points with their ledger: guests earn none."""
    for table in _OF_SUBJECTS:
        await tx.execute(f"DELETE FROM {table} WHERE subject_id = ANY($1::uuid[])", list(subject_ids))


async def forget_customers(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    """Delete what is kept by customer, messages that wait included.

    A coupon that was used stays for its redemption's sake, with a code of no use and nobody's; so do redemptions,
    which are money.
    """
    ids = list(customer_ids)
    for table in _OF_CUSTOMERS:
        await tx.execute(f"DELETE FROM {table} WHERE customer_id = ANY($1::uuid[])", ids)
    await tx.execute(
        "DELETE FROM coupons c WHERE customer_id = ANY($1::uuid[])"
        " AND NOT EXISTS (SELECT FROM redemption_items i WHERE i.coupon_id = c.coupon_id)",
        ids,
    )
    await _make_coupons_nobodys(tx, ids)
    await _make_redemptions_nobodys(tx, ids)
    await tx.execute(
        "UPDATE redemption_items i SET customer_id = r.customer_id FROM redemptions r"
        " WHERE r.redemption_id = i.redemption_id AND i.customer_id = ANY($1::uuid[])",
        ids,
    )
    await _forget_answers(tx, ids)


async def _make_coupons_nobodys(tx: Transaction, customer_ids: list[UUID]) -> None:
    rows = await tx.fetch(
        "SELECT coupon_id FROM coupons WHERE customer_id = ANY($1::uuid[]) ORDER BY coupon_id FOR UPDATE",
        customer_ids,
    )
    coupon_ids = [row["coupon_id"] for row in rows]
    await tx.execute(
        "UPDATE coupons c SET customer_id = g.guest_id, code = 'erased-' || c.coupon_id,"
        " withdrawn_at = coalesce(withdrawn_at, issued_at)"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (coupon_id, guest_id) WHERE c.coupon_id = g.coupon_id",
        coupon_ids,
        [guest_subject_id(coupon_id) for coupon_id in coupon_ids],
    )


async def _make_redemptions_nobodys(tx: Transaction, customer_ids: list[UUID]) -> None:
    rows = await tx.fetch(
        "SELECT redemption_id FROM redemptions WHERE customer_id = ANY($1::uuid[]) ORDER BY redemption_id FOR UPDATE",
        customer_ids,
    )
    redemption_ids = [row["redemption_id"] for row in rows]
    await tx.execute(
        "UPDATE redemptions r SET customer_id = g.guest_id"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (redemption_id, guest_id) WHERE r.redemption_id = g.redemption_id",
        redemption_ids,
        [guest_subject_id(redemption_id) for redemption_id in redemption_ids],
    )


async def _forget_answers(tx: Transaction, customer_ids: list[UUID]) -> None:
    """Delete stored answers that name one of these customers: a repeat is refused anew, for nobody is known."""
    await tx.execute(
        "DELETE FROM idempotency_keys k USING unnest($1::text[]) AS c (id)"
        " WHERE position(convert_to(c.id, 'UTF8') IN k.body) > 0",
        [str(customer_id) for customer_id in customer_ids],
    )
