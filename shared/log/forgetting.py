"""Forgetting in a log: an erased person's events keep their places and numbers, and are nobody's."""

from collections.abc import Collection
from uuid import UUID

from shared.db import Transaction
from shared.events.forgetting import forgotten
from shared.identity import guest_subject_id

KEPT_TYPE = "CustomerErased"
"""Tells of the erasure itself: whoever reads the log again must hear of it."""
EVENTS_AT_ONCE = 500


async def forget_events(tx: Transaction, keys: Collection[UUID], events_max: int = EVENTS_AT_ONCE) -> int:
    """Rewrite the next events, numbered or waiting, under these keys; return how many there were.

    Each gets `guest_subject_id` of itself for a key; nothing is left when the answer is 0. This is the one
    exception to a log's being insert-only.
    """
    rows = await tx.fetch(
        "SELECT e.event_id, e.body FROM events e WHERE e.type <> $2 AND e.event_id IN"
        " (SELECT event_id FROM numbered WHERE key = ANY($1::text[])"
        " UNION ALL SELECT event_id FROM unnumbered WHERE key = ANY($1::text[]))"
        " ORDER BY e.event_id LIMIT $3 FOR UPDATE",
        [str(key) for key in keys],
        KEPT_TYPE,
        events_max,
    )
    await rewrite(tx, {row["event_id"]: row["body"] for row in rows})
    return len(rows)


async def rewrite(tx: Transaction, bodies: dict[UUID, bytes]) -> None:
    """Make these events (id and body) nobody's, wherever the log names them."""
    if not bodies:
        return
    event_ids = list(bodies)
    guests = [str(guest_subject_id(event_id)) for event_id in event_ids]
    await tx.execute(
        "UPDATE events e SET key = g.key, body = g.body, traceparent = NULL"
        " FROM unnest($1::uuid[], $2::text[], $3::bytea[]) AS g (event_id, key, body) WHERE e.event_id = g.event_id",
        event_ids,
        guests,
        [forgotten(body) for body in bodies.values()],
    )
    for table in ("numbered", "unnumbered"):
        await tx.execute(
            f"UPDATE {table} n SET key = g.key FROM unnest($1::uuid[], $2::text[]) AS g (event_id, key)"
            " WHERE n.event_id = g.event_id",
            event_ids,
            guests,
        )
