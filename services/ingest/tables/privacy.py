"""Erasures and exports."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.ingest.tables.base import OWNED, metadata, moment

Table(
    "erasures",
    metadata,
    Column("erasure_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False),
    Column(
        "event_id",
        UUID(),
        nullable=False,
        unique=True,
        comment="executed when this event of the log gets its number",
    ),
    Column("only_subject_ids", ARRAY(UUID()), comment="from the ledger: exactly these; null: all of the customer"),
    Column("reason", Text, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("guardian", Text, comment="relation and proof, never a name"),
    Column("actor", Text, nullable=False),
    moment("requested_at"),
    Column("executed_at", DateTime(timezone=True), comment="numbered"),
    Column("unreadable_at", DateTime(timezone=True), comment="keys and sealed rows gone"),
    Column("rewritten_at", DateTime(timezone=True), comment="the archive names nobody"),
    Column("confirmed_at", DateTime(timezone=True), comment="by every service"),
    Column("counts", JSONB, nullable=False, comment="rows by what was done to them"),
    CheckConstraint(
        "requested_by IN ('customer', 'guardian', 'authority', 'retailer', 'ledger')",
        name="erasures_requested_by_known",
    ),
    Index("erasures_open", "requested_at", postgresql_where=text("confirmed_at IS NULL")),
    info=OWNED,
)
Table(
    "erased_subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("erasure_id", UUID(), nullable=False, index=True),
    Column("swept_at", DateTime(timezone=True), comment="null: something is still to go"),
    Index("erased_subjects_unswept", "subject_id", postgresql_where=text("swept_at IS NULL")),
    info=OWNED,
)
Table(
    "closed_identifiers",
    metadata,
    Column("number", BigInteger, Identity(always=True), primary_key=True),
    Column("digest", LargeBinary, nullable=False, comment="keyed hash of namespace and blind index"),
    Column("generation", Integer, nullable=False, comment="the last one that was erased"),
    moment("closed_at"),
    UniqueConstraint("digest", "generation"),
    info=OWNED,
)
Table(
    "erasure_confirmations",
    metadata,
    Column("erasure_id", UUID(), primary_key=True),
    Column("service", Text, primary_key=True),
    moment("applied_at"),
    moment("confirmed_at"),
    info=OWNED,
)
Table(
    "exports",
    metadata,
    Column("export_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("actor", Text, nullable=False),
    moment("requested_at"),
    Column("made_at", DateTime(timezone=True)),
    moment("expires_at"),
    Column("sealed", LargeBinary, comment="the document, under the customer's own key"),
    CheckConstraint("(made_at IS NULL) = (sealed IS NULL)", name="exports_made"),
    Index("exports_waiting", "requested_at", postgresql_where=text("made_at IS NULL")),
    Index("exports_expiring", "expires_at"),
    info=OWNED,
)
