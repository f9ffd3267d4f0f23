"""Messages and the coupons they carry, from made to settled."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Database, Row, Transaction


@dataclass(frozen=True, slots=True)
class NewCoupon:
    """A coupon to issue."""

    coupon_id: UUID
    customer_id: UUID
    code: str


async def add_coupons(
    tx: Transaction, campaign_id: UUID, coupons: Sequence[NewCoupon], *, uses_max: int, now: datetime
) -> set[UUID]:
    """Issue the coupons; return the ids of those whose code was free. The others need another code."""
    rows = await tx.fetch(
        "INSERT INTO coupons (coupon_id, campaign_id, customer_id, code, uses_max, issued_at)"
        " SELECT coupon_id, $4, customer_id, code, $5, $6"
        " FROM unnest($1::uuid[], $2::uuid[], $3::text[]) AS fresh (coupon_id, customer_id, code)"
        " ON CONFLICT (code) DO NOTHING RETURNING coupon_id",
        [coupon.coupon_id for coupon in coupons],
        [coupon.customer_id for coupon in coupons],
        [coupon.code for coupon in coupons],
        campaign_id,
        uses_max,
        now,
    )
    return {row["coupon_id"] for row in rows}


async def add_messages(
    tx: Transaction, campaign_id: UUID, channel: str, messages: Sequence[tuple[UUID, UUID]], now: datetime
) -> None:
    """Queue messages, given as (message_id, customer_id)."""
    await tx.copy(
        "messages",
        ["message_id", "campaign_id", "customer_id", "channel", "state", "due_at"],
        [(message_id, campaign_id, customer_id, channel, "waiting", now) for message_id, customer_id in messages],
    )


async def withdraw_waiting(tx: Transaction, campaign_id: UUID, now: datetime) -> None:
    """Suppress what waits of a campaign that stops, and withdraw the coupons that nobody was told of.

    What is under way may be going out at this moment: `withdraw_interrupted` is the sender's.
    """
    waiting = "messages.campaign_id = $2 AND messages.state = 'waiting'"
    await tx.execute(_WITHDRAW.format(unsent=waiting), now, campaign_id)


async def withdraw_interrupted(database: Database, now: datetime) -> None:
    """Do the same with what a stop found put off or cut short. Only the sender knows that it is not going out."""
    interrupted = "campaigns.state = 'stopped' AND messages.state = 'sending'"
    await database.execute(_WITHDRAW.format(unsent=interrupted), now)


_WITHDRAW = (
    "WITH unsent AS (UPDATE messages SET state = 'suppressed', reason = 'campaign_stopped', settled_at = $1"
    "  FROM campaigns WHERE campaigns.campaign_id = messages.campaign_id AND {unsent}"
    "  RETURNING messages.campaign_id, messages.customer_id)"
    " UPDATE coupons SET withdrawn_at = $1 FROM unsent"
    " WHERE coupons.campaign_id = unsent.campaign_id AND coupons.customer_id = unsent.customer_id"
)


@dataclass(frozen=True, slots=True)
class Message:
    """A message under way; `code` is its coupon's, if it has one."""

    message_id: UUID
    campaign_id: UUID
    customer_id: UUID
    channel: str
    batch: int
    attempts: int
    code: str | None


async def claim_batch(database: Database, now: datetime, limit: int) -> list[Message]:
    """Return the messages to send next: those of a batch that was cut short, else a new batch of one campaign.

    The claim is committed before anything is sent, so that after a crash the same messages go out under the
    same batch and message ids. Their order is another at each attempt: one at which the mail server hangs up must
    not keep those after it from ever being tried.
    """
    async with database.transaction() as tx:
        unfinished = await tx.fetchval(
            "SELECT min(batch) FROM messages JOIN campaigns USING (campaign_id)"
            " WHERE messages.state = 'sending' AND campaigns.state = 'running' AND due_at <= $1",
            now,
        )
        batch = unfinished if unfinished is not None else await _claim_new(tx, now, limit)
        rows = await tx.fetch(
            f"SELECT {_MESSAGE_COLUMNS} FROM messages LEFT JOIN coupons USING (campaign_id, customer_id)"
            " WHERE batch = $1 AND state = 'sending' ORDER BY hashtextextended(message_id::text, attempts)",
            batch,
        )
    return [_message(row) for row in rows]


_MESSAGE_COLUMNS = "message_id, campaign_id, customer_id, channel, batch, attempts, code"


async def _claim_new(tx: Transaction, now: datetime, limit: int) -> int | None:
    batch: int | None = await tx.fetchval(
        "WITH first AS (SELECT campaign_id FROM messages JOIN campaigns USING (campaign_id)"
        "  WHERE messages.state = 'waiting' AND campaigns.state = 'running' AND due_at <= $1"
        "  ORDER BY due_at, message_id LIMIT 1),"
        " number AS (SELECT coalesce(max(batch), 0) + 1 AS batch FROM messages),"
        " claimed AS (UPDATE messages SET state = 'sending', batch = (SELECT batch FROM number)"
        "  WHERE message_id IN (SELECT message_id FROM messages WHERE state = 'waiting' AND due_at <= $1"
        "   AND campaign_id = (SELECT campaign_id FROM first) ORDER BY due_at, message_id LIMIT $2 FOR UPDATE)"
        "  RETURNING messages.batch)"
        " SELECT max(batch) FROM claimed",
        now,
        limit,
    )
    return batch


def _message(row: Row) -> Message:
    return Message(
        *(row[name] for name in ("message_id", "campaign_id", "customer_id", "channel", "batch", "attempts", "code"))
    )


@dataclass(frozen=True, slots=True)
class Settled:
    """How a message ended."""

    message: Message
    state: str
    reason: str | None = None


async def settle(tx: Transaction, settled: Sequence[Settled], now: datetime) -> set[UUID]:
    """Record the outcomes; return the ids of the messages that were still under way."""
    rows = await tx.fetch(
        "UPDATE messages SET state = outcome.state, reason = outcome.reason, settled_at = $4,"
        " attempts = attempts + 1"
        " FROM unnest($1::uuid[], $2::text[], $3::text[]) AS outcome (message_id, state, reason)"
        " WHERE messages.message_id = outcome.message_id AND messages.state = 'sending'"
        " RETURNING messages.message_id",
        [outcome.message.message_id for outcome in settled],
        [outcome.state for outcome in settled],
        [outcome.reason for outcome in settled],
        now,
    )
    return {row["message_id"] for row in rows}


async def postpone(tx: Transaction, messages: Sequence[Message], due_at: datetime) -> None:
    """Count an attempt that did not get through, and try these again later under the same ids."""
    await tx.execute(
        "UPDATE messages SET attempts = attempts + 1, due_at = $2 WHERE message_id = ANY($1::uuid[])"
        " AND state = 'sending'",
        [message.message_id for message in messages],
        due_at,
    )
