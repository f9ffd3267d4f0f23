"""The tables of assignments, memberships and erasures, declared into a consuming service's own metadata."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    MetaData,
    Table,
    Text,
    func,
    text,
)
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


def declare_memberships(metadata: MetaData) -> None:
    """Add `segment_memberships`; of each customer and segment the transition with the highest `n` is the state."""
    Table(
        "segment_memberships",
        metadata,
        Column("customer_id", UUID(), primary_key=True),
        Column("segment_id", Text, primary_key=True),
        Column("n", BigInteger, nullable=False),
        Column("is_member", Boolean, nullable=False),
        Index("segment_memberships_members", "segment_id", postgresql_where=text("is_member")),
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
