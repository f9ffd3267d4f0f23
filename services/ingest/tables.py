"""The tables of ingest, and of the vault of keys beside it; all owned: nothing here can be rebuilt from elsewhere."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from shared.http.tables import idempotency_table
from shared.log.tables import declare_hook_failures, declare_log, declare_retention
from shared.worker.tables import declare_schedule

OWNED = {"class": "owned"}
NAMING = {
    "pk": "%(table_name)s_pkey",
    "uq": "%(table_name)s_%(column_0_name)s_key",
    "ck": "%(constraint_name)s",
    "ix": "%(table_name)s_%(column_0_name)s_idx",
}

metadata = MetaData(naming_convention=NAMING)
vault_metadata = MetaData(naming_convention=NAMING)

declare_log(metadata)
declare_hook_failures(metadata)


def _moment(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


Table(
    "dedup_keys",
    metadata,
    Column("key_digest", LargeBinary, primary_key=True, comment="keyed hash of the de-duplication key"),
    Column("content_digest", LargeBinary, nullable=False, comment="keyed hash of what was said under it"),
    Column("event_id", UUID(), nullable=False),
    info=OWNED,
    postgresql_partition_by="HASH (key_digest)",
)
Table(
    "terminal_epochs",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("terminal_id", Text, primary_key=True),
    Column("business_date", Date, primary_key=True),
    Column("epoch", Integer, primary_key=True, comment="rises when the terminal starts counting again"),
    _moment("opened_at"),
    Column("last_sequence", BigInteger, nullable=False),
    _moment("last_at"),
    CheckConstraint("epoch >= 0", name="terminal_epochs_not_negative"),
    info=OWNED,
    postgresql_with={"fillfactor": "70"},
)
Table(
    "sources",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("key_digest", Text, nullable=False, unique=True, comment="SHA-256 of the write key, hex"),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _moment("disabled_at", nullable=True),
    CheckConstraint("kind IN ('pos', 'server', 'import', 'web', 'app')", name="sources_kind_known"),
    info=OWNED,
)
Table(
    "subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("blind_index", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False, server_default="0", comment="rises when it is re-issued"),
    Column("masked", Text, nullable=False, comment="as it may be shown"),
    _moment("first_seen_at"),
    UniqueConstraint("blind_index", "namespace", "generation"),
    info=OWNED,
)
Table(
    "assignments",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("event_id", UUID(), nullable=False, comment="the event that was the reason"),
    CheckConstraint("version > 0", name="assignments_version_positive"),
    info=OWNED,
)
Table(
    "pending_links",
    metadata,
    Column("event_id", UUID(), primary_key=True, comment="linked when this event is numbered"),
    Column("subject_ids", ARRAY(UUID()), nullable=False, comment="one person's, says the event"),
    _moment("occurred_at"),
    info=OWNED,
)
Table(
    "refused_links",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    Column("subject_id", UUID(), primary_key=True),
    Column("reason", Text, nullable=False),
    info=OWNED,
)
Table(
    "originals",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    Column("key_id", UUID(), nullable=False, index=True, comment="whose key in the vault opens it"),
    Column("sealed", LargeBinary, nullable=False, comment="the input as it came, compressed and encrypted"),
    info=OWNED,
)
Table(
    "vault_entries",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("field", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    info=OWNED,
)
Table(
    "refusals",
    metadata,
    Column("refusal_id", UUID(), primary_key=True, comment="a function of source and content"),
    Column("outcome", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="which route it came by"),
    Column("source_id", Text, nullable=False),
    Column("lookup_digest", LargeBinary, comment="finds it by its message_id"),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("field", Text),
    Column("event_id", UUID(), comment="of a conflict: what was accepted under the same key before"),
    Column("key_id", UUID(), nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    _moment("received_at"),
    Column("times", Integer, nullable=False, server_default="1", comment="how often it was sent"),
    CheckConstraint("outcome IN ('refused', 'conflict')", name="refusals_outcome_known"),
    Index("refusals_lookup_digest_idx", "lookup_digest", postgresql_where=text("lookup_digest IS NOT NULL")),
    Index("refusals_received_at_idx", "received_at", "refusal_id"),
    Index("refusals_event_id_idx", "event_id", postgresql_where=text("event_id IS NOT NULL")),
    info=OWNED,
)
Table(
    "reveals",
    metadata,
    Column("reveal_id", UUID(), primary_key=True, server_default=text("gen_random_uuid()")),
    Column("actor", Text, nullable=False),
    Column("key_id", Text, nullable=False, comment="the API key that asked"),
    Column("purpose", Text, nullable=False),
    Column("subject_ids", ARRAY(UUID()), nullable=False),
    Column("revealed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=OWNED,
)
Table(
    "subject_keys",
    vault_metadata,
    Column("key_id", UUID(), primary_key=True, comment="a subject, or a month of guests"),
    Column("wrapped", LargeBinary, nullable=False, comment="its AES key, sealed under the deployment key"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("version", SmallInteger, nullable=False, server_default="1", comment="of the wrapping key"),
    info=OWNED,
)

# Erasures.

if "idempotency_keys" not in metadata.tables:
    idempotency_table(metadata)
declare_schedule(metadata)
declare_retention(metadata)
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
    _moment("requested_at"),
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
    _moment("closed_at"),
    UniqueConstraint("digest", "generation"),
    info=OWNED,
)
Table(
    "erasure_confirmations",
    metadata,
    Column("erasure_id", UUID(), primary_key=True),
    Column("service", Text, primary_key=True),
    _moment("applied_at"),
    _moment("confirmed_at"),
    info=OWNED,
)

# Exports.

Table(
    "exports",
    metadata,
    Column("export_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("purpose", Text, nullable=False),
    Column("actor", Text, nullable=False),
    _moment("requested_at"),
    Column("made_at", DateTime(timezone=True)),
    _moment("expires_at"),
    Column("sealed", LargeBinary, comment="the document, under the customer's own key"),
    CheckConstraint("(made_at IS NULL) = (sealed IS NULL)", name="exports_made"),
    Index("exports_waiting", "requested_at", postgresql_where=text("made_at IS NULL")),
    Index("exports_expiring", "expires_at"),
    info=OWNED,
)
