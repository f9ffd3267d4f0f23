"""Links between subjects, what is kept apart, what is in quarantine, and what was decided about it."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest.domain.links import Link, Pair, Said
from services.ingest.domain.policy import RULE_VERSION, STRONG
from shared.customers.assignments import Reads
from shared.db import Row, Transaction

DONE = "done"
REGISTRATIONS = "retail.customers.v1"
"""The topic of what is said about people, a registration above all."""


async def links_touching(reads: Reads, subject_ids: Collection[UUID]) -> list[Link]:
    """Return the links of these subjects, in the order in which they were first said."""
    rows = await reads.fetch(
        "SELECT * FROM links WHERE left_id = ANY($1::uuid[])"
        " UNION SELECT * FROM links WHERE right_id = ANY($1::uuid[]) ORDER BY n",
        list(subject_ids),
    )
    return [_link(row) for row in rows]


def _link(row: Row) -> Link:
    said = Said(row["event_id"], row["occurred_at"], row["cause"])
    ends = row["left_id"], row["right_id"]
    return Link(*ends, said, row["state"], row["reason"], row["changed_by"], row["by_names"])


async def save_links(tx: Transaction, links: Iterable[Link]) -> None:
    """Store links that are new or changed; new ones are numbered in the order given."""
    ordered = list(links)
    await tx.execute(
        "INSERT INTO links (left_id, right_id, event_id, cause, state, reason, rule_version, occurred_at, changed_by,"
        " by_names) SELECT left_id, right_id, event_id, cause, state, reason, $10, occurred_at, changed_by, by_names"
        " FROM unnest($1::uuid[], $2::uuid[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],"
        " $8::uuid[], $9::boolean[]) WITH ORDINALITY AS said (left_id, right_id, event_id, cause, state, reason,"
        " occurred_at, changed_by, by_names, place) ORDER BY place"
        " ON CONFLICT (left_id, right_id) DO UPDATE SET event_id = excluded.event_id, cause = excluded.cause,"
        " state = excluded.state, reason = excluded.reason, rule_version = excluded.rule_version,"
        " occurred_at = excluded.occurred_at, changed_by = excluded.changed_by, by_names = excluded.by_names",
        [link.pair[0] for link in ordered],
        [link.pair[1] for link in ordered],
        [link.said.event_id for link in ordered],
        [link.said.cause for link in ordered],
        [link.state for link in ordered],
        [link.reason for link in ordered],
        [link.said.occurred_at for link in ordered],
        [link.changed_by for link in ordered],
        [link.by_names for link in ordered],
        RULE_VERSION,
    )


async def apart_touching(reads: Reads, subject_ids: Collection[UUID]) -> set[Pair]:
    """Return the pairs of which one of these subjects is kept apart from another."""
    rows = await reads.fetch(
        "SELECT left_id, right_id FROM apart WHERE left_id = ANY($1::uuid[])"
        " UNION SELECT left_id, right_id FROM apart WHERE right_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    return {(row["left_id"], row["right_id"]) for row in rows}


async def save_apart(tx: Transaction, added: Iterable[Pair], removed: Iterable[Pair], by: UUID) -> None:
    new, gone = sorted(added), sorted(removed)
    await tx.execute(
        "INSERT INTO apart (left_id, right_id, event_id) SELECT left_id, right_id, $3"
        " FROM unnest($1::uuid[], $2::uuid[]) AS pair (left_id, right_id) ON CONFLICT DO NOTHING",
        [pair[0] for pair in new],
        [pair[1] for pair in new],
        by,
    )
    await tx.execute(
        "DELETE FROM apart USING unnest($1::uuid[], $2::uuid[]) AS pair (left_id, right_id)"
        " WHERE apart.left_id = pair.left_id AND apart.right_id = pair.right_id",
        [pair[0] for pair in gone],
        [pair[1] for pair in gone],
    )


async def doubtful_among(reads: Reads, weak: Collection[UUID], cards: Collection[UUID]) -> list[UUID]:
    """Return those of the weak identifiers that several customers' cards claim, and the cards nobody registered."""
    rows = await reads.fetch(
        "SELECT DISTINCT asked AS subject_id FROM unnest($1::uuid[]) AS asked CROSS JOIN LATERAL"
        " (SELECT right_id AS other FROM links WHERE left_id = asked AND reason = 'contested'"
        " UNION ALL SELECT left_id FROM links WHERE right_id = asked AND reason = 'contested') AS claim"
        " JOIN subjects s ON s.subject_id = claim.other WHERE s.namespace = ANY($3::text[])"
        " UNION ALL SELECT asked FROM unnest($2::uuid[]) AS asked WHERE NOT EXISTS"
        " (SELECT FROM links l JOIN events e USING (event_id) WHERE l.left_id = asked AND e.topic = $4)"
        " AND NOT EXISTS"
        " (SELECT FROM links l JOIN events e USING (event_id) WHERE l.right_id = asked AND e.topic = $4)",
        list(weak),
        list(cards),
        STRONG,
        REGISTRATIONS,
    )
    return [row["subject_id"] for row in rows]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """An identifier that links nobody, or that was released again."""

    subject_id: UUID
    state: str
    reason: str
    event_id: UUID
    since: datetime


async def put_quarantine(tx: Transaction, entry: Quarantined) -> None:
    await tx.execute(
        "INSERT INTO quarantine (subject_id, state, reason, event_id, since) VALUES ($1, $2, $3, $4, $5)"
        " ON CONFLICT (subject_id) DO UPDATE SET state = excluded.state, reason = excluded.reason,"
        " event_id = excluded.event_id, since = excluded.since",
        entry.subject_id,
        entry.state,
        entry.reason,
        entry.event_id,
        entry.since,
    )


async def held_subjects(reads: Reads, limit: int) -> list[UUID]:
    """Return the identifiers in quarantine, the latest first."""
    rows = await reads.fetch(
        "SELECT subject_id FROM quarantine WHERE state = 'held' ORDER BY since DESC, subject_id DESC LIMIT $1", limit
    )
    return [row["subject_id"] for row in rows]


async def quarantine_page(reads: Reads, after: tuple[datetime, UUID] | None, limit: int) -> list[Row]:
    """Return what waits for a reviewer, the latest first: each with its mask and how many links are held."""
    return await reads.fetch(
        "SELECT q.*, s.namespace, s.masked, s.first_seen_at,"
        " (SELECT count(*) FROM links WHERE left_id = q.subject_id OR right_id = q.subject_id) AS links"
        " FROM quarantine q JOIN subjects s USING (subject_id) WHERE q.state = 'held'"
        " AND ($1::timestamptz IS NULL OR (q.since, q.subject_id) < ($1, $2::uuid))"
        " ORDER BY q.since DESC, q.subject_id DESC LIMIT $3",
        None if after is None else after[0],
        None if after is None else after[1],
        limit,
    )


@dataclass(frozen=True, slots=True)
class Decision:
    """What somebody decided about identifiers; `outcome` is None until it is numbered and executed."""

    event_id: UUID
    decision: str
    subject_ids: tuple[UUID, ...]
    about_event_id: UUID | None
    reason: str | None
    actor: str
    decided_at: datetime
    outcome: str | None = None
    moved: int = 0


async def add_decision(tx: Transaction, decision: Decision) -> None:
    await tx.execute(
        "INSERT INTO decisions (event_id, decision, subject_ids, about_event_id, reason, actor, decided_at, outcome,"
        " moved) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        decision.event_id,
        decision.decision,
        list(decision.subject_ids),
        decision.about_event_id,
        decision.reason,
        decision.actor,
        decision.decided_at,
        decision.outcome,
        decision.moved,
    )


async def pending_decisions(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, Decision]:
    """Return the decisions among these events that were not executed yet."""
    rows = await tx.fetch(
        "SELECT * FROM decisions WHERE outcome IS NULL AND event_id = ANY($1::uuid[])", list(event_ids)
    )
    return {row["event_id"]: _decision(row) for row in rows}


async def with_consequences(reads: Reads, event_ids: Collection[UUID]) -> set[UUID]:
    """Return those of these events of which links, decisions, followers or an erasure follow."""
    rows = await reads.fetch(
        "SELECT event_id FROM pending_links WHERE event_id = ANY($1::uuid[])"
        " UNION ALL SELECT event_id FROM decisions WHERE outcome IS NULL AND event_id = ANY($1::uuid[])"
        " UNION ALL SELECT event_id FROM awaited_originals WHERE event_id = ANY($1::uuid[])"
        " UNION ALL SELECT original_id FROM awaited_originals WHERE original_id = ANY($1::uuid[])"
        " UNION ALL SELECT event_id FROM erasures WHERE executed_at IS NULL AND event_id = ANY($1::uuid[])",
        list(event_ids),
    )
    return {row["event_id"] for row in rows}


async def settle_decision(tx: Transaction, event_id: UUID, outcome: str, moved: int) -> None:
    await tx.execute("UPDATE decisions SET outcome = $2, moved = $3 WHERE event_id = $1", event_id, outcome, moved)


async def decision_of(reads: Reads, event_id: UUID) -> Decision | None:
    rows = await reads.fetch("SELECT * FROM decisions WHERE event_id = $1", event_id)
    return _decision(rows[0]) if rows else None


async def decisions_about(reads: Reads, subject_ids: Collection[UUID], limit: int) -> list[Decision]:
    """Return what was decided about these subjects, the latest first."""
    rows = await reads.fetch(
        "SELECT * FROM decisions WHERE subject_ids && $1::uuid[] ORDER BY decided_at DESC, event_id LIMIT $2",
        list(subject_ids),
        limit,
    )
    return [_decision(row) for row in rows]


def _decision(row: Row) -> Decision:
    return Decision(**{**dict(row), "subject_ids": tuple(row["subject_ids"])})


async def links_to_explain(reads: Reads, subject_ids: Collection[UUID], limit: int) -> Sequence[Row]:
    """Return the links of these subjects with the source that said so first, in order."""
    return await reads.fetch(
        "SELECT found.*, e.body FROM (SELECT * FROM links WHERE left_id = ANY($1::uuid[])"
        " UNION SELECT * FROM links WHERE right_id = ANY($1::uuid[])) AS found"
        " LEFT JOIN events e USING (event_id) ORDER BY n LIMIT $2",
        list(subject_ids),
        limit,
    )
