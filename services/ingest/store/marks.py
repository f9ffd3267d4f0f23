"""Marks of names and birthdays, by the subject that they were said with: keyed hashes, nothing in the clear."""

from collections.abc import Collection, Sequence
from uuid import UUID

from services.ingest.domain.marks import Marks
from shared.customers.assignments import Reads
from shared.db import Transaction


async def marks_with(reads: Reads, subject_ids: Collection[UUID]) -> dict[UUID, set[Marks]]:
    """Return what was said of names and birthdays together with these subjects."""
    rows = await reads.fetch(
        "SELECT subject_id, given, born FROM marks WHERE subject_id = ANY($1::uuid[])", list(subject_ids)
    )
    found: dict[UUID, set[Marks]] = {}
    for row in rows:
        found.setdefault(row["subject_id"], set()).add(Marks(row["given"], row["born"]))
    return found


async def add_marks(tx: Transaction, marked: Sequence[tuple[UUID, Marks, UUID]]) -> None:
    """Keep new marks, each with the event that said so first."""
    await tx.execute(
        "INSERT INTO marks (subject_id, given, born, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::bytea[], $3::bytea[], $4::uuid[]) ON CONFLICT DO NOTHING",
        [subject_id for subject_id, _, _ in marked],
        [marks.given for _, marks, _ in marked],
        [marks.born for _, marks, _ in marked],
        [event_id for _, _, event_id in marked],
    )
