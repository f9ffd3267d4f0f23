"""Receipts that follow another one's subject: a guest's return whose original has not come yet."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.customers.assignments import Reads
from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Follower:
    """A subject that is to be whose `original_id` is; `event_id` says so."""

    original_id: UUID
    event_id: UUID
    subject_id: UUID
    occurred_at: datetime


async def add_followers(tx: Transaction, followers: Iterable[Follower]) -> None:
    """Keep them until both events are numbered."""
    ordered = sorted(followers, key=lambda one: (one.original_id.int, one.event_id.int))
    await tx.execute(
        "INSERT INTO awaited_originals (original_id, event_id, subject_id, occurred_at)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::timestamptz[]) ON CONFLICT DO NOTHING",
        [one.original_id for one in ordered],
        [one.event_id for one in ordered],
        [one.subject_id for one in ordered],
        [one.occurred_at for one in ordered],
    )


async def followers_around(reads: Reads, event_ids: Collection[UUID]) -> list[Follower]:
    """Return those that one of these events follows, or is followed by, in an order of their own."""
    rows = await reads.fetch(
        "SELECT original_id, event_id, subject_id, occurred_at FROM awaited_originals"
        " WHERE original_id = ANY($1::uuid[]) OR event_id = ANY($1::uuid[]) ORDER BY original_id, event_id",
        list(event_ids),
    )
    return [Follower(row["original_id"], row["event_id"], row["subject_id"], row["occurred_at"]) for row in rows]


async def numbered_keys(reads: Reads, event_ids: Collection[UUID]) -> dict[UUID, str]:
    """Return the keys of those of these events that have their numbers."""
    rows = await reads.fetch("SELECT event_id, key FROM numbered WHERE event_id = ANY($1::uuid[])", list(event_ids))
    return {row["event_id"]: row["key"] for row in rows}


async def forget(tx: Transaction, followers: Collection[Follower]) -> None:
    await tx.execute(
        "DELETE FROM awaited_originals USING unnest($1::uuid[], $2::uuid[]) AS done (original_id, event_id)"
        " WHERE awaited_originals.original_id = done.original_id AND awaited_originals.event_id = done.event_id",
        [one.original_id for one in followers],
        [one.event_id for one in followers],
    )
