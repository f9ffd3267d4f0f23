"""The table of assignments, declared into a consuming service's own metadata."""

from sqlalchemy import BigInteger, CheckConstraint, Column, MetaData, Table
from sqlalchemy.dialects.postgresql import UUID

DERIVED = {"class": "derived"}


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
