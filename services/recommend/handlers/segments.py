"""Segments: keeping who is in which, and counting what members bought lately."""

from collections.abc import Sequence

from services.recommend.store import changes, segments
from shared.clock import Clock
from shared.customers.erasures import erased_among
from shared.customers.memberships import Membership, keep_memberships
from shared.db import Database, Transaction


async def record_memberships(tx: Transaction, transitions: Sequence[Membership]) -> None:
    """Keep transitions, but those of the erased; whoever is in memory is read anew."""
    erased = await erased_among(tx, {each.customer_id for each in transitions})
    kept = [each for each in transitions if each.customer_id not in erased]
    await keep_memberships(tx, kept)
    await changes.note(tx, await segments.subjects_of(tx, sorted({each.customer_id for each in kept})))


async def count_sales(database: Database, clock: Clock) -> None:
    """Count what the members of each segment bought lately, one segment after the other."""
    async with database.session() as session:
        found = await segments.segment_ids(session)
    for segment_id in found:
        async with database.transaction() as tx:
            await segments.keep_sales(tx, segment_id, clock.now())
