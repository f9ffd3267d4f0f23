"""The table of assignments, declared into a consuming service's own metadata."""

from sqlalchemy import BigInteger, CheckConstraint, Column, DateTime, MetaData, Table, func
from sqlalchemy.dialects.postgresql import UUID

DERIVED = {"class": "derived"}
OWNED = {"class": "owned"}


def declare_assignments(metadata: MetaData) -> None:
    """Add `assignments`: a subject without a row is its own customer."""
    Table(
        "assignments",
        metadata,
        Column("subject_id", UUID(), primary_key=True),
        Column("customer_id", UUID(), nullable=False, index=True),
        Column("version", BigInteger, nullable=False),
        CheckConstraint("version > 0", name="assignments_version_positive"),
        info=DERIVED,
    )


def declare_erasures(metadata: MetaData) -> None:
    """Add `erased_subjects`, unless the service has its own, and `applied_erasures`."""
    if "erased_subjects" not in metadata.tables:
        Table("erased_subjects", metadata, Column("subject_id", UUID(), primary_key=True), info=DERIVED)
    Table(
        "applied_erasures",
        metadata,
        Column("erasure_id", UUID(), primary_key=True),
        Column("subject_id", UUID(), primary_key=True),
        Column("applied_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        info=OWNED,
    )
