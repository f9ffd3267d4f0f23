"""What was ever accepted, and what is kept of it, sealed; tills and web shops as far as they count and edit."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, UUID

from services.ingest.tables.base import OWNED, metadata, moment, vault_metadata

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
    moment("opened_at"),
    Column("last_sequence", BigInteger, nullable=False),
    moment("last_at"),
    Column("received", INT8MULTIRANGE, nullable=False, server_default="{}", comment="the numbers that came"),
    CheckConstraint("epoch >= 0", name="terminal_epochs_not_negative"),
    Index("terminal_epochs_by_day", "business_date", "store_id", "terminal_id"),
    info=OWNED,
    postgresql_with={"fillfactor": "70"},
)
Table(
    "terminal_clocks",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("terminal_id", Text, primary_key=True),
    Column("exchanges", ARRAY(Integer), nullable=False, comment="seconds that it was behind, the newest last"),
    Column("skew_minutes", Integer, nullable=False, comment="added to its time; above 0: it is behind"),
    Column("is_settled", Boolean, nullable=False, comment="most of the exchanges agree"),
    Column("is_implausible", Boolean, nullable=False),
    moment("observed_at"),
    CheckConstraint("cardinality(exchanges) <= 15", name="terminal_clocks_exchanges_few"),
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
    moment("received_at"),
    Column("times", Integer, nullable=False, server_default="1", comment="how often it was sent"),
    Column("source_kind", Text, nullable=False, server_default="server", comment="what it may say when replayed"),
    Column("store_ids", ARRAY(Text), comment="the stores that its source spoke for; null: all"),
    Column("resolution", Text, comment="what was done about it; null: nothing yet"),
    moment("resolved_at", nullable=True),
    Column("resolved_by", Text),
    Column("resolution_note", Text),
    Column("resolved_event_id", UUID(), comment="what was accepted in its place"),
    CheckConstraint("outcome IN ('refused', 'conflict')", name="refusals_outcome_known"),
    CheckConstraint(
        "resolution IN ('corrected', 'replayed', 'new_epoch', 'discarded')", name="refusals_resolution_known"
    ),
    CheckConstraint("(resolution IS NULL) = (resolved_at IS NULL)", name="refusals_resolved_at_when"),
    Index("refusals_lookup_digest_idx", "lookup_digest", postgresql_where=text("lookup_digest IS NOT NULL")),
    Index("refusals_received_at_idx", "received_at", "refusal_id"),
    Index("refusals_event_id_idx", "event_id", postgresql_where=text("event_id IS NOT NULL")),
    Index("refusals_source_id_idx", "source_id", "received_at", "refusal_id"),
    Index("refusals_code_idx", "code", "received_at", "refusal_id"),
    # What is replayed and discarded in bulk is what is open: soon a few among very many.
    Index("refusals_open_idx", "received_at", "refusal_id", postgresql_where=text("resolution IS NULL")),
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
    Column("refusal_id", UUID(), comment="the refused input that was opened"),
    Column("revealed_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    info=OWNED,
)
Table(
    "web_orders",
    metadata,
    Column("key_digest", LargeBinary, primary_key=True, comment="keyed hash of the order's key"),
    Column("source_id", Text, nullable=False),
    Column("event_id", UUID(), nullable=False, comment="the receipt that counts"),
    Column("content_digest", LargeBinary, comment="of what it says; null: taken back before its sale came"),
    moment("edited_at"),
    Column("version", Text, nullable=False, comment="empty for the first"),
    Column("is_cancelled", Boolean, nullable=False),
    info=OWNED,
)
Table(
    "awaited_originals",
    metadata,
    Column("original_id", UUID(), primary_key=True, comment="the event that has not come yet"),
    Column("event_id", UUID(), primary_key=True, comment="the event that refers to it"),
    Column("subject_id", UUID(), nullable=False, comment="the guest's subject that is to be the original's"),
    moment("occurred_at"),
    Index("awaited_originals_event_id_idx", "event_id"),
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
