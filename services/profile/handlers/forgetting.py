"""Forgetting moments whose events' bodies expire, and whom nothing else is known of: devices, most of all."""

from collections.abc import Sequence
from datetime import datetime

from services.profile import metrics
from services.profile.domain.moments import MOMENT_FIELDS
from services.profile.store import people, segments
from shared.db import Transaction
from shared.events.retention import told_since, types_expiring

MOMENTS_AT_ONCE = 1000


async def forget_moments(tx: Transaction, now: datetime) -> bool:
    """Delete a lot of moments past their time, and the subjects that only they told of; say whether more may be left.

    A subject stays where anything else tells of it: then a rebuild sees it too.
    """
    deleted = 0
    for topic, types in types_expiring(MOMENT_FIELDS).items():
        before = told_since(topic, now)
        if before is not None and await people.has_moment_before(tx, types, before):
            deleted += await _forget(tx, types, before)
    return deleted >= MOMENTS_AT_ONCE


async def _forget(tx: Transaction, types: Sequence[str], before: datetime) -> int:
    # Before anything is deleted: whoever is just telling of one of these subjects is waited for, and seen below.
    await people.keep_others_away(tx)
    deleted = await people.delete_moments(tx, types, before, MOMENTS_AT_ONCE)
    gone = await people.delete_unheard_of(tx, sorted(set(deleted), key=lambda subject_id: subject_id.int))
    if gone:
        await segments.mark_subjects(tx, gone)
    metrics.FORGOTTEN.inc(len(deleted))
    return len(deleted)
