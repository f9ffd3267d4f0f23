"""What is known of subjects besides purchases: kind, masked identifier, attributes, consents, moments, erasures."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Row, Transaction


@dataclass(frozen=True, slots=True)
class AttributeFact:
    """The value that an attribute took; None: taken away."""

    subject_id: UUID
    name: str
    value: object
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class ConsentFact:
    """What a person allowed or took back."""

    subject_id: UUID
    channel: str
    purpose: str
    state: str
    policy_version: str | None
    occurred_at: datetime
    event_id: UUID


@dataclass(frozen=True, slots=True)
class MomentFact:
    """Something that happened to or around a person, for the timeline."""

    event_id: UUID
    subject_id: UUID
    occurred_at: datetime
    type: str
    store_id: str | None
    detail: dict[str, object]


@dataclass(frozen=True, slots=True)
class MaskFact:
    """How a subject's identifier may be shown, as an assignment told."""

    subject_id: UUID
    kind: str
    namespace: str | None
    masked: str | None
    version: int


async def see_subjects(tx: Transaction, kinds: dict[UUID, str]) -> None:
    """Remember which subjects there are; a subject's kind never changes."""
    ordered = sorted(kinds, key=lambda subject_id: subject_id.int)
    await tx.execute(
        "INSERT INTO subjects (subject_id, kind, masked_version) SELECT subject_id, kind, 0"
        " FROM unnest($1::uuid[], $2::text[]) AS t (subject_id, kind) ON CONFLICT (subject_id) DO NOTHING",
        ordered,
        [kinds[subject_id] for subject_id in ordered],
    )


async def keep_masks(tx: Transaction, facts: Sequence[MaskFact]) -> None:
    """Keep the mask of the highest version of each subject; one that tells none changes none."""
    await tx.executemany(
        "INSERT INTO subjects AS s (subject_id, kind, namespace, masked, masked_version)"
        " VALUES ($1, $2, $3, $4, CASE WHEN $4::text IS NULL THEN 0 ELSE $5::bigint END)"
        " ON CONFLICT (subject_id) DO UPDATE SET namespace = excluded.namespace, masked = excluded.masked,"
        " masked_version = excluded.masked_version WHERE s.masked_version < excluded.masked_version",
        [
            (fact.subject_id, fact.kind, fact.namespace if fact.masked else None, fact.masked, fact.version)
            for fact in sorted(facts, key=lambda fact: fact.subject_id.int)
        ],
    )


async def keep_attributes(tx: Transaction, facts: Sequence[AttributeFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every subject's attribute."""
    newest = {
        (fact.subject_id, fact.name): fact
        for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest, key=lambda key: (key[0].int, key[1]))]
    await tx.execute(
        "INSERT INTO attributes AS a (subject_id, name, value, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::jsonb[], $4::timestamptz[], $5::uuid[])"
        " ON CONFLICT (subject_id, name) DO UPDATE SET value = excluded.value,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (a.occurred_at, a.event_id) < (excluded.occurred_at, excluded.event_id)",
        [fact.subject_id for fact in ordered],
        [fact.name for fact in ordered],
        [fact.value for fact in ordered],
        [fact.occurred_at for fact in ordered],
        [fact.event_id for fact in ordered],
    )


async def keep_consents(tx: Transaction, facts: Sequence[ConsentFact]) -> None:
    """Keep the latest (occurred_at, event_id) of every subject's consent."""
    newest = {
        (fact.subject_id, fact.channel, fact.purpose): fact
        for fact in sorted(facts, key=lambda fact: (fact.occurred_at, fact.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest, key=lambda key: (key[0].int, *key[1:]))]
    await tx.execute(
        "INSERT INTO consents AS c (subject_id, channel, purpose, state, policy_version, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::timestamptz[],"
        " $7::uuid[])"
        " ON CONFLICT (subject_id, channel, purpose) DO UPDATE SET state = excluded.state,"
        " policy_version = excluded.policy_version, occurred_at = excluded.occurred_at,"
        " event_id = excluded.event_id"
        " WHERE (c.occurred_at, c.event_id) < (excluded.occurred_at, excluded.event_id)",
        [fact.subject_id for fact in ordered],
        [fact.channel for fact in ordered],
        [fact.purpose for fact in ordered],
        [fact.state for fact in ordered],
        [fact.policy_version for fact in ordered],
        [fact.occurred_at for fact in ordered],
        [fact.event_id for fact in ordered],
    )


async def insert_moments(tx: Transaction, facts: Sequence[MomentFact]) -> None:
    ordered = sorted(facts, key=lambda fact: fact.event_id.int)
    await tx.execute(
        "INSERT INTO moments (event_id, subject_id, occurred_at, type, store_id, detail)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::timestamptz[], $4::text[], $5::text[], $6::jsonb[])"
        " ON CONFLICT (event_id) DO NOTHING",
        [fact.event_id for fact in ordered],
        [fact.subject_id for fact in ordered],
        [fact.occurred_at for fact in ordered],
        [fact.type for fact in ordered],
        [fact.store_id for fact in ordered],
        [fact.detail for fact in ordered],
    )


async def keep_others_away(tx: Transaction) -> None:
    """Wait until nothing is applied that sees a subject, and let nothing begin to, until this transaction ends."""
    await tx.execute("LOCK TABLE subjects IN SHARE ROW EXCLUSIVE MODE")


async def has_moment_before(tx: Transaction, types: Sequence[str], before: datetime) -> bool:
    found: bool = await tx.fetchval(
        "SELECT EXISTS (SELECT FROM moments WHERE type = ANY($1) AND occurred_at < $2)", list(types), before
    )
    return found


async def delete_moments(tx: Transaction, types: Sequence[str], before: datetime, at_once: int) -> list[UUID]:
    """Delete moments of these types from before a time, so many at once; return the subject of each."""
    rows = await tx.fetch(
        "DELETE FROM moments WHERE event_id IN (SELECT m.event_id FROM unnest($1::text[]) AS t (type)"
        " CROSS JOIN LATERAL (SELECT event_id FROM moments WHERE type = t.type AND occurred_at < $2 LIMIT $3) m"
        " LIMIT $3) RETURNING subject_id",
        list(types),
        before,
        at_once,
    )
    return [row["subject_id"] for row in rows]


async def delete_unheard_of(tx: Transaction, subject_ids: Sequence[UUID]) -> dict[UUID, str]:
    """Delete those subjects of which no table tells any more; return the kind of each."""
    rows = await tx.fetch(
        "DELETE FROM subjects s WHERE subject_id = ANY($1)"
        " AND NOT EXISTS (SELECT FROM assignments a WHERE a.subject_id = s.subject_id)"
        " AND NOT EXISTS (SELECT FROM receipts r WHERE r.subject_id = s.subject_id)"
        " AND NOT EXISTS (SELECT FROM voids v WHERE v.subject_id = s.subject_id)"
        " AND NOT EXISTS (SELECT FROM attributes t WHERE t.subject_id = s.subject_id)"
        " AND NOT EXISTS (SELECT FROM consents c WHERE c.subject_id = s.subject_id)"
        " AND NOT EXISTS (SELECT FROM moments m WHERE m.subject_id = s.subject_id)"
        " RETURNING subject_id, kind",
        list(subject_ids),
    )
    return {row["subject_id"]: row["kind"] for row in rows}


async def receipts_to_rewrite(tx: Transaction, subject_ids: Sequence[UUID]) -> list[Row]:
    """Lock and return the erased subjects' receipts, with what each of them counts for."""
    return await tx.fetch(
        "SELECT receipt_id, event_id, subject_id, store_id, currency, kind, training, voided, sold_minor,"
        " returned_minor, items FROM receipts WHERE subject_id = ANY($1) ORDER BY receipt_id FOR UPDATE",
        list(subject_ids),
    )


async def voids_to_rewrite(tx: Transaction, subject_ids: Sequence[UUID]) -> list[Row]:
    """Lock and return the erased subjects' voids, and whether each one's original is unknown."""
    return await tx.fetch(
        "SELECT v.receipt_id, v.event_id, v.subject_id, v.store_id, v.currency, v.amount_minor,"
        " o.kind = 'unknown' AS is_unknown FROM voids v JOIN receipts o ON o.receipt_id = v.voids_receipt_id"
        " WHERE v.subject_id = ANY($1) ORDER BY v.receipt_id FOR UPDATE OF v",
        list(subject_ids),
    )


async def rewrite_receipts(tx: Transaction, guests: dict[UUID, UUID]) -> None:
    """Give receipts (by id) to guests."""
    await tx.execute(
        "UPDATE receipts r SET subject_id = g.guest_id"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (receipt_id, guest_id) WHERE r.receipt_id = g.receipt_id",
        list(guests),
        list(guests.values()),
    )


async def rewrite_voids(tx: Transaction, guests: dict[UUID, UUID]) -> None:
    """Give voids (by id) to guests."""
    await tx.execute(
        "UPDATE voids v SET subject_id = g.guest_id"
        " FROM unnest($1::uuid[], $2::uuid[]) AS g (receipt_id, guest_id) WHERE v.receipt_id = g.receipt_id",
        list(guests),
        list(guests.values()),
    )


async def forget_subjects(tx: Transaction, subject_ids: Sequence[UUID]) -> None:
    """Delete everything that is about a person and no fact of the business."""
    for table in ("subject_totals", "moments", "attributes", "consents", "subjects"):
        await tx.execute(f"DELETE FROM {table} WHERE subject_id = ANY($1)", list(subject_ids))


async def forget_customers(tx: Transaction, customer_ids: Sequence[UUID]) -> None:
    for table in ("tags", "transitions", "customers", "dirty"):
        await tx.execute(f"DELETE FROM {table} WHERE customer_id = ANY($1)", list(customer_ids))
