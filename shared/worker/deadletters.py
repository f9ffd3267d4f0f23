"""What people do about dead letters: look, apply again after a fix, and release the brake."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

import structlog

from shared import leases
from shared.db import Database, Transaction, is_transient, reason_of
from shared.events import InvalidEvent, decode
from shared.events.forgetting import EXPIRED, forgotten
from shared.events.retention import told_since
from shared.log.forgetting import KEPT_TYPE
from shared.worker.domain import lease_name
from shared.worker.subscription import Subscription

log = structlog.get_logger()

REPLAY_MAX = 10_000
EXPIRED_AT_ONCE = 1000
_OCCURRED_AT = '"occurred_at": *"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})'
_TO_THE_SECOND = 'YYYY-MM-DD"T"HH24:MI:SS'


@dataclass(frozen=True, slots=True)
class KeptLetter:
    """A dead letter as it is listed."""

    event_id: UUID
    topic: str
    partition: int
    seq: int
    type: str
    reason: str
    dead_at: datetime


@dataclass(slots=True)
class Replayed:
    """What a replay came to."""

    applied: int = 0
    failed: list[UUID] = field(default_factory=list)


async def waiting(database: Database, letters_max: int = 100) -> list[KeptLetter]:
    """Return the oldest letters that were not applied yet."""
    rows = await database.fetch(
        "SELECT event_id, topic, partition, seq, type, reason, dead_at FROM dead_letters"
        " WHERE replayed_at IS NULL ORDER BY dead_at, topic, partition, seq LIMIT $1",
        letters_max,
    )
    return [KeptLetter(**dict(row)) for row in rows]


async def body_of(database: Database, event_id: UUID) -> tuple[str, bytes] | None:
    """Return why an event is a dead letter, and its bytes; None when it is none."""
    row = await database.fetchrow("SELECT reason, body FROM dead_letters WHERE event_id = $1", event_id)
    return None if row is None else (row["reason"], row["body"])


async def replay(database: Database, subscription: Subscription, event_ids: Sequence[UUID] | None = None) -> Replayed:
    """Apply letters through the service's own handlers, each in a transaction of its own.

    Doing it twice applies once: the letter is locked and marked in the transaction that applies it. Meanwhile no
    worker applies anything of its partition. A letter that fails again keeps the new reason.
    """
    rows = await database.fetch(
        "SELECT event_id FROM dead_letters WHERE replayed_at IS NULL AND ($1::uuid[] IS NULL OR event_id = ANY($1))"
        " ORDER BY topic, partition, seq LIMIT $2",
        None if event_ids is None else list(event_ids),
        REPLAY_MAX,
    )
    outcome = Replayed()
    for row in rows:
        await _replay_one(database, subscription, row["event_id"], outcome)
    return outcome


async def _replay_one(database: Database, subscription: Subscription, event_id: UUID, outcome: Replayed) -> None:
    try:
        async with database.transaction() as tx:
            letter = await tx.fetchrow(
                "UPDATE dead_letters SET replayed_at = clock_timestamp()"
                " WHERE event_id = $1 AND replayed_at IS NULL RETURNING partition, body",
                event_id,
            )
            if letter is not None:
                await leases.hold_off(tx, lease_name(letter["partition"]))
                await subscription.dispatch(tx, [decode(letter["body"])])
        outcome.applied += letter is not None
    except Exception as error:
        if is_transient(error):
            raise
        reason = reason_of(error)
        log.warning("replay.failed", event_id=str(event_id), reason=reason)
        await database.execute("UPDATE dead_letters SET reason = $2 WHERE event_id = $1", event_id, reason)
        outcome.failed.append(event_id)


async def resume(database: Database) -> int:
    """Release every brake; return how many there were. The workers go on within seconds."""
    return await database.execute(
        "UPDATE positions SET braked_version = NULL, dead_in_a_row = 0 WHERE braked_version IS NOT NULL"
    )


async def expire_letters(tx: Transaction, now: datetime) -> bool:
    """Delete a lot of letters whose events' bodies expire in their log; say whether more may be left.

    When an event happened is read from the head of its body, as text: RFC 3339 in UTC sorts by time. Of what cannot
    be read, the time at which it became a letter counts.
    """
    expired = 0
    for row in await tx.fetch("SELECT DISTINCT topic FROM dead_letters"):
        since = told_since(row["topic"], now)
        if since is not None:
            expired += await tx.execute(
                "DELETE FROM dead_letters WHERE (origin, topic, partition, seq) IN"
                " (SELECT origin, topic, partition, seq FROM dead_letters WHERE topic = $1 AND coalesce("
                " substring(encode(substring(body FROM 1 FOR 500), 'escape') FROM $2),"
                " to_char(dead_at AT TIME ZONE 'UTC', $3)) < to_char($4::timestamptz AT TIME ZONE 'UTC', $3)"
                " ORDER BY seq LIMIT $5)",
                row["topic"],
                _OCCURRED_AT,
                _TO_THE_SECOND,
                since,
                EXPIRED_AT_ONCE,
            )
    return expired >= EXPIRED_AT_ONCE


async def forget_letters(tx: Transaction, subject_ids: Collection[UUID]) -> int:
    """Make the letters of an erased subject nobody's, and drop those of which nothing stays; return how many.

    What could not be read may name nobody in its envelope: the subject's id is looked for in the bytes. The reason
    goes too: an error may quote what it failed on. An erasure that waits to be applied again stays one, and what is
    another person's stays theirs.
    """
    found = await tx.fetch(
        "SELECT DISTINCT ON (event_id) event_id, body FROM dead_letters d, unnest($1::text[]) AS s (id)"
        " WHERE position(convert_to(s.id, 'UTF8') IN d.body) > 0 AND d.type NOT LIKE $2 || '.%' ORDER BY event_id",
        [str(subject_id) for subject_id in subject_ids],
        KEPT_TYPE,
    )
    rows = [row for row in found if not _is_of_others(row["body"], subject_ids)]
    kept = {row["event_id"]: body for row in rows if (body := forgotten(row["body"])) != EXPIRED}
    await tx.execute(
        "DELETE FROM dead_letters WHERE event_id = ANY($1::uuid[])",
        [row["event_id"] for row in rows if row["event_id"] not in kept],
    )
    await tx.execute(
        "UPDATE dead_letters d SET body = k.body, reason = 'of an erased person'"
        " FROM unnest($1::uuid[], $2::bytea[]) AS k (event_id, body) WHERE d.event_id = k.event_id",
        list(kept),
        list(kept.values()),
    )
    return len(rows)


def _is_of_others(body: bytes, subject_ids: Collection[UUID]) -> bool:
    try:
        return decode(body, upcast=False).subject_id not in subject_ids
    except InvalidEvent:
        return False
