"""Subjects, and the links between them that wait for their numbers."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.ingest.domain.links import KnownSubject
from services.ingest.domain.marks import Marks
from shared.customers.assignments import Reads
from shared.db import Row, Transaction
from shared.records import record

BlindIndex = tuple[str, bytes]


@record
class NewSubject:
    """A subject as an event brings it."""

    subject_id: UUID
    namespace: str
    blind_index: bytes
    generation: int
    masked: str
    first_seen_at: datetime
    last_seen_at: datetime


@dataclass(frozen=True, slots=True)
class PendingLink:
    """The subjects that one event says are one person's, strongest first."""

    event_id: UUID
    subject_ids: tuple[UUID, ...]
    occurred_at: datetime
    cause: str = "seen_together"
    marks: Marks | None = None
    """Of the name and birthday that the event tells."""


@dataclass(frozen=True, slots=True)
class Assigned:
    """A subject's present assignment."""

    subject_id: UUID
    customer_id: UUID
    version: int


@dataclass(frozen=True, slots=True)
class Meaning:
    """Whom an identifier means today: the subject of its latest generation, and their customer."""

    subject_id: UUID
    generation: int
    customer_id: UUID


async def meaning_of(reads: Reads, index: BlindIndex) -> Meaning | None:
    """Return whom an identifier means; None where it was never seen. One question: somebody waits at a till."""
    rows = await reads.fetch(
        "SELECT s.subject_id, s.generation, coalesce(a.customer_id, s.subject_id) AS customer_id"
        " FROM subjects s LEFT JOIN assignments a USING (subject_id)"
        " WHERE s.namespace = $1 AND s.blind_index = $2 ORDER BY s.generation DESC LIMIT 1",
        *index,
    )
    return Meaning(**dict(rows[0])) if rows else None


@dataclass(frozen=True, slots=True)
class Latest:
    """The subject that an identifier means today."""

    subject_id: UUID
    generation: int
    last_seen_at: datetime


async def latest_of(reads: Reads, indexes: Collection[BlindIndex]) -> dict[BlindIndex, Latest]:
    """Return the latest generation of every identifier that was seen before."""
    rows = await reads.fetch(
        "SELECT asked.namespace, asked.blind_index, s.subject_id, s.generation,"
        " coalesce(s.last_seen_at, s.first_seen_at) AS last_seen_at"
        " FROM unnest($1::text[], $2::bytea[]) AS asked (namespace, blind_index)"
        " CROSS JOIN LATERAL (SELECT * FROM subjects WHERE blind_index = asked.blind_index"
        " AND namespace = asked.namespace ORDER BY generation DESC LIMIT 1) s",
        [namespace for namespace, _ in indexes],
        [index for _, index in indexes],
    )
    return {
        (row["namespace"], row["blind_index"]): Latest(row["subject_id"], row["generation"], row["last_seen_at"])
        for row in rows
    }


async def see_again(tx: Transaction, seen_at: Mapping[UUID, datetime]) -> None:
    """Keep when identifiers were last seen. Whoever is just writing one of them has it as new."""
    ordered = sorted(seen_at, key=lambda subject: subject.int)
    await tx.execute(
        "UPDATE subjects SET last_seen_at = seen.at FROM (SELECT subject_id FROM subjects"
        " WHERE subject_id = ANY($1::uuid[]) FOR NO KEY UPDATE SKIP LOCKED) AS free,"
        " unnest($1::uuid[], $2::timestamptz[]) AS seen (subject_id, at)"
        " WHERE subjects.subject_id = free.subject_id AND seen.subject_id = free.subject_id"
        " AND seen.at > coalesce(last_seen_at, first_seen_at)",
        ordered,
        [seen_at[subject_id] for subject_id in ordered],
    )


async def add_subjects(tx: Transaction, subjects: Iterable[NewSubject]) -> set[UUID]:
    """Store the subjects; return those that nobody had seen before."""
    ordered = sorted(subjects, key=lambda subject: subject.subject_id.int)
    if not ordered:
        return set()
    rows = await tx.fetch(
        "INSERT INTO subjects (subject_id, namespace, blind_index, generation, masked, first_seen_at, last_seen_at)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bytea[], $4::int[], $5::text[], $6::timestamptz[],"
        " $7::timestamptz[])"
        " ON CONFLICT (subject_id) DO NOTHING RETURNING subject_id",
        [subject.subject_id for subject in ordered],
        [subject.namespace for subject in ordered],
        [subject.blind_index for subject in ordered],
        [subject.generation for subject in ordered],
        [subject.masked for subject in ordered],
        [subject.first_seen_at for subject in ordered],
        [subject.last_seen_at for subject in ordered],
    )
    return {row["subject_id"] for row in rows}


async def add_pending_links(tx: Transaction, links: Sequence[PendingLink]) -> None:
    """Keep what events say about who belongs together, until they are numbered."""
    await tx.copy(
        "pending_links",
        ("event_id", "subject_ids", "occurred_at", "cause", "given_mark", "born_mark"),
        [
            (
                link.event_id,
                list(link.subject_ids),
                link.occurred_at,
                link.cause,
                None if link.marks is None else link.marks.given,
                None if link.marks is None else link.marks.born,
            )
            for link in links
        ],
    )


async def take_pending_links(tx: Transaction, event_ids: Collection[UUID]) -> dict[UUID, PendingLink]:
    """Remove and return what these events say."""
    rows = await tx.fetch(
        "DELETE FROM pending_links WHERE event_id = ANY($1::uuid[])"
        " RETURNING event_id, subject_ids, occurred_at, cause, given_mark, born_mark",
        list(event_ids),
    )
    return {row["event_id"]: _pending(row) for row in rows}


def _pending(row: Row) -> PendingLink:
    marks = None if row["given_mark"] is None else Marks(row["given_mark"], row["born_mark"])
    return PendingLink(row["event_id"], tuple(row["subject_ids"]), row["occurred_at"], row["cause"], marks)


async def assignments_around(reads: Reads, subject_ids: Collection[UUID]) -> dict[UUID, Assigned]:
    """Return the assignments of these subjects, and of everybody who shares a customer with one of them."""
    rows = await reads.fetch(
        "WITH customers AS (SELECT customer_id FROM assignments WHERE subject_id = ANY($1::uuid[])"
        " UNION SELECT unnest($1::uuid[]))"
        " SELECT a.subject_id, a.customer_id, a.version FROM assignments a JOIN customers USING (customer_id)"
        " UNION SELECT subject_id, customer_id, version FROM assignments WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    return {row["subject_id"]: Assigned(row["subject_id"], row["customer_id"], row["version"]) for row in rows}


@dataclass(frozen=True, slots=True)
class ShownSubject:
    """A subject as events show it."""

    known: KnownSubject
    namespace: str
    masked: str


async def subjects_named(reads: Reads, subject_ids: Collection[UUID]) -> dict[UUID, ShownSubject]:
    """Return what linking needs to know of each subject."""
    rows = await reads.fetch(
        "SELECT subject_id, namespace, masked, first_seen_at, coalesce(state, 'free') AS quarantine"
        " FROM subjects LEFT JOIN quarantine USING (subject_id) WHERE subject_id = ANY($1::uuid[])",
        list(subject_ids),
    )
    return {
        row["subject_id"]: ShownSubject(
            KnownSubject(row["subject_id"], row["namespace"], row["first_seen_at"], row["quarantine"]),
            row["namespace"],
            row["masked"],
        )
        for row in rows
    }


@dataclass(frozen=True, slots=True)
class Assignment:
    """A subject's new customer, and why."""

    subject_id: UUID
    customer_id: UUID
    version: int
    cause: str
    event_id: UUID


async def assign(tx: Transaction, assignments: Sequence[Assignment]) -> None:
    """Store the newest assignment of each subject."""
    newest = {one.subject_id: one for one in assignments}
    ordered = [newest[subject_id] for subject_id in sorted(newest, key=lambda subject: subject.int)]
    await tx.execute(
        "INSERT INTO assignments (subject_id, customer_id, version, cause, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::text[], $5::uuid[])"
        " ON CONFLICT (subject_id) DO UPDATE SET customer_id = excluded.customer_id,"
        " version = excluded.version, cause = excluded.cause, event_id = excluded.event_id",
        [one.subject_id for one in ordered],
        [one.customer_id for one in ordered],
        [one.version for one in ordered],
        [one.cause for one in ordered],
        [one.event_id for one in ordered],
    )


async def subjects_shown(reads: Reads, subject_ids: Collection[UUID]) -> list[Row]:
    """Return the subjects as reviewers see them, the first seen first."""
    return await reads.fetch(
        "SELECT subject_id, namespace, masked, generation, first_seen_at,"
        " coalesce(last_seen_at, first_seen_at) AS last_seen_at, coalesce(state, 'free') AS quarantine"
        " FROM subjects LEFT JOIN quarantine USING (subject_id) WHERE subject_id = ANY($1::uuid[])"
        " ORDER BY first_seen_at, subject_id",
        list(subject_ids),
    )
