"""Who is in which segment, as profile says it and services that follow keep it (table `segment_memberships`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Membership:
    """The n-th entering or leaving of a segment by a customer."""

    customer_id: UUID
    segment_id: str
    n: int
    is_member: bool


async def keep_memberships(tx: Transaction, transitions: Sequence[Membership]) -> None:
    """Keep the highest `n` of each customer and segment: that is the state, in whatever order they come."""
    highest: dict[tuple[UUID, str], Membership] = {}
    for transition in sorted(transitions, key=lambda transition: transition.n):
        highest[transition.customer_id, transition.segment_id] = transition
    ordered = [highest[key] for key in sorted(highest)]
    await tx.execute(
        "INSERT INTO segment_memberships (customer_id, segment_id, n, is_member)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::boolean[])"
        " ON CONFLICT (customer_id, segment_id) DO UPDATE SET n = excluded.n, is_member = excluded.is_member"
        " WHERE segment_memberships.n < excluded.n",
        [transition.customer_id for transition in ordered],
        [transition.segment_id for transition in ordered],
        [transition.n for transition in ordered],
        [transition.is_member for transition in ordered],
    )
