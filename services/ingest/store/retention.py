"""What ingest keeps for a time only: inputs as they came, and refused ones."""

from datetime import datetime
from uuid import UUID

from shared.db import Transaction

DELETED_AT_ONCE = 2000
_TIME_BITS = 80
"""How far an event id's time (48 bits, Unix milliseconds) is shifted."""


async def delete_originals(tx: Transaction, before: datetime) -> int:
    """Delete the next inputs of events that happened before a moment: an event's id begins with its time."""
    first_kept = UUID(int=int(before.timestamp() * 1000) << _TIME_BITS)
    return await tx.execute(
        "DELETE FROM originals WHERE event_id IN"
        " (SELECT event_id FROM originals WHERE event_id < $1 ORDER BY event_id LIMIT $2)",
        first_kept,
        DELETED_AT_ONCE,
    )


async def delete_claim_tries(tx: Transaction, before: datetime) -> int:
    """Delete the next counts of wrong proofs of which the last came before a moment."""
    return await tx.execute(
        "DELETE FROM claim_tries WHERE receipt_id IN"
        " (SELECT receipt_id FROM claim_tries WHERE last_at < $1 LIMIT $2)",
        before,
        DELETED_AT_ONCE,
    )


async def delete_refusals(tx: Transaction, before: datetime) -> int:
    """Delete the next refused inputs that were received before a moment."""
    return await tx.execute(
        "DELETE FROM refusals WHERE refusal_id IN"
        " (SELECT refusal_id FROM refusals WHERE received_at < $1 ORDER BY received_at LIMIT $2)",
        before,
        DELETED_AT_ONCE,
    )
