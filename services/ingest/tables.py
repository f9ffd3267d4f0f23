"""The tables of ingest, and of the vault of keys beside it; all owned: nothing here can be rebuilt from elsewhere."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKeyConstraint,
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
from sqlalchemy.dialects.postgresql import ARRAY, INT8MULTIRANGE, JSONB, UUID

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
declare_retention(metadata)
declare_schedule(metadata)
idempotency_table(metadata)


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
    Column("received", INT8MULTIRANGE, nullable=False, server_default="{}", comment="the numbers that came"),
    CheckConstraint("epoch >= 0", name="terminal_epochs_not_negative"),
    Index("terminal_epochs_by_day", "business_date", "store_id", "terminal_id"),
    info=OWNED,
    postgresql_with={"fillfactor": "70"},
)
Table(
    "sources",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _moment("disabled_at", nullable=True),
    Column("events_per_second", Integer, comment="null: no limit"),
    Column("burst", Integer),
    Column("bot_filter", Text, nullable=False, server_default="off"),
    CheckConstraint("kind IN ('pos', 'server', 'import', 'web', 'app')", name="sources_kind_known"),
    CheckConstraint("bot_filter IN ('off', 'flag', 'drop')", name="sources_bot_filter_known"),
    CheckConstraint(
        "(events_per_second IS NULL) = (burst IS NULL) AND events_per_second > 0 AND burst > 0",
        name="sources_limit_whole",
    ),
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
    _moment("last_seen_at", nullable=True),
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
    Column("cause", Text, nullable=False, server_default="seen_together"),
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
    Column("source_kind", Text, nullable=False, server_default="server", comment="what it may say when replayed"),
    Column("store_ids", ARRAY(Text), comment="the stores that its source spoke for; null: all"),
    Column("resolution", Text, comment="what was done about it; null: nothing yet"),
    _moment("resolved_at", nullable=True),
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
    "subject_keys",
    vault_metadata,
    Column("key_id", UUID(), primary_key=True, comment="a subject, or a month of guests"),
    Column("wrapped", LargeBinary, nullable=False, comment="its AES key, sealed under the deployment key"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("version", SmallInteger, nullable=False, server_default="1", comment="of the wrapping key"),
    info=OWNED,
)
# The clocks of terminals.
Table(
    "terminal_clocks",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("terminal_id", Text, primary_key=True),
    Column("exchanges", ARRAY(Integer), nullable=False, comment="seconds that it was behind, the newest last"),
    Column("skew_minutes", Integer, nullable=False, comment="added to its time; above 0: it is behind"),
    Column("is_settled", Boolean, nullable=False, comment="most of the exchanges agree"),
    Column("is_implausible", Boolean, nullable=False),
    _moment("observed_at"),
    CheckConstraint("cardinality(exchanges) <= 15", name="terminal_clocks_exchanges_few"),
    info=OWNED,
)
# Sources: their keys, plans and figures; rules of quality.
Table(
    "source_keys",
    metadata,
    Column("key_digest", Text, primary_key=True, comment="SHA-256 of the write key, hex"),
    Column("source_id", Text, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    _moment("ends_at", nullable=True),
    ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="source_keys_source_id_fkey"),
    info=OWNED,
)
Table(
    "tracking_plans",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="rises with every change"),
    Column("plan", JSONB, nullable=False),
    _moment("changed_at"),
    Column("changed_by", Text, nullable=False),
    ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="tracking_plans_source_id_fkey"),
    info=OWNED,
)
Table(
    "plan_violations",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("rule", Text, primary_key=True, comment="the keyword of JSON Schema, or unplanned"),
    Column("path", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("times", BigInteger, nullable=False),
    _moment("first_at"),
    _moment("last_at"),
    Column("sample", JSONB, nullable=False, comment="types in place of values"),
    info=OWNED,
)
Table(
    "source_figures",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("day", Date, primary_key=True, comment="of reception, in the chain's zone"),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in (
            *("accepted", "repeated", "conflicts", "refused", "dropped", "bots", "violations", "corrected"),
            *("late", "limited"),
        )
    ),
    _moment("last_seen_at"),
    info=OWNED,
)
Table(
    "quality_figures",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),
    _moment("last_at"),
    info=OWNED,
)
Table(
    "product_codes",
    metadata,
    Column("code", Text, primary_key=True, comment="a GTIN in 14 digits"),
    Column("product_id", Text, nullable=False),
    _moment("as_of_at"),
    info=OWNED,
)
# Files on their way in.
Table(
    "imports",
    metadata,
    Column("import_id", UUID(), primary_key=True),
    Column("name", Text, nullable=False, comment="the file's"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("key_id", Text, nullable=False, comment="the API key that uploaded it"),
    Column("actor", Text, nullable=False),
    Column("store_ids", ARRAY(Text), comment="the stores that its key speaks for; null: every store"),
    Column("reading", JSONB, nullable=False, comment="how the file is read"),
    Column("digest", LargeBinary, nullable=False, comment="keyed hash of the file and of how it is read"),
    Column("size_bytes", BigInteger, nullable=False),
    _moment("created_at"),
    _moment("started_at", nullable=True),
    _moment("changed_at"),
    _moment("ended_at", nullable=True),
    Column("rows_total", BigInteger),
    Column("records_done", BigInteger, nullable=False, server_default="0", comment="the place to go on from"),
    Column("rows_read", BigInteger, nullable=False, server_default="0"),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("repeated", BigInteger, nullable=False, server_default="0"),
    Column("conflicts", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("failure_code", Text),
    Column("failure", Text),
    CheckConstraint(
        "state IN ('uploading', 'waiting', 'queued', 'running', 'done', 'failed', 'cancelled', 'expired')",
        name="imports_state_known",
    ),
    Index("imports_digest_idx", "digest"),
    Index("imports_created_at_idx", "created_at", "import_id"),
    Index(
        "imports_open_idx",
        "state",
        "created_at",
        postgresql_where=text("state IN ('uploading', 'waiting', 'queued', 'running')"),
    ),
    info=OWNED,
)
Table(
    "import_chunks",
    metadata,
    Column("import_id", UUID(), primary_key=True, comment="whose key in the vault opens it"),
    Column("number", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="a piece of the file, encrypted"),
    info=OWNED,
)
Table(
    "import_lines",
    metadata,
    Column("import_id", UUID(), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("status", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("field", Text),
    Column("column_name", Text),
    Column("message_id", Text),
    info=OWNED,
)
# Webhooks of other systems.
Table(
    "webhooks",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="the secret that it signs with"),
    Column("sealed_before", LargeBinary, comment="the one before, while it is changed"),
    _moment("changed_at"),
    info=OWNED,
)

# Identity: who belongs together, who says so, and what was decided about it.

Table(
    "links",
    metadata,
    Column("left_id", UUID(), primary_key=True),
    Column("right_id", UUID(), primary_key=True),
    Column("n", BigInteger, Identity(always=True), nullable=False, comment="the order in which they were said"),
    Column("event_id", UUID(), nullable=False, index=True, comment="the event that said so first"),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it does not hold"),
    Column("rule_version", SmallInteger, nullable=False),
    _moment("occurred_at"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("changed_by", UUID(), comment="the event or decision of its present state, where another"),
    CheckConstraint("left_id < right_id", name="links_in_order"),
    CheckConstraint("state IN ('made', 'refused', 'held', 'cut')", name="links_state_known"),
    CheckConstraint("(state IN ('refused', 'held')) = (reason IS NOT NULL)", name="links_reason_given"),
    Index("links_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "apart",
    metadata,
    Column("left_id", UUID(), primary_key=True, comment="never one customer with the other until a person says so"),
    Column("right_id", UUID(), primary_key=True),
    Column("event_id", UUID(), nullable=False, comment="the decision"),
    CheckConstraint("left_id < right_id", name="apart_in_order"),
    Index("apart_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "decisions",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    Column("decision", Text, nullable=False),
    Column("subject_ids", ARRAY(UUID()), nullable=False),
    Column("about_event_id", UUID(), comment="the event whose link was wrong, or the receipt that is claimed"),
    Column("reason", Text),
    Column("actor", Text, nullable=False),
    _moment("decided_at"),
    Column("outcome", Text, comment="null until it is numbered; then done, or why not"),
    Column("moved", Integer, nullable=False, server_default="0", comment="subjects that changed their customer"),
    Index("decisions_subject_ids_idx", "subject_ids", postgresql_using="gin"),
    Index("decisions_pending_idx", "event_id", postgresql_where=text("outcome IS NULL")),
    info=OWNED,
)
Table(
    "quarantine",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("event_id", UUID(), nullable=False, comment="the decision, or the event that was one too many"),
    _moment("since"),
    CheckConstraint("state IN ('held', 'released')", name="quarantine_state_known"),
    Index("quarantine_queue_idx", "since", "subject_id", postgresql_where=text("state = 'held'")),
    info=OWNED,
)
Table(
    "claim_tries",
    metadata,
    Column("receipt_id", UUID(), primary_key=True, comment="the receipt's event"),
    Column("failed", Integer, nullable=False),
    _moment("last_at"),
    info=OWNED,
)
Table(
    "relations",
    metadata,
    Column("left_id", UUID(), primary_key=True, comment="a subject of one customer"),
    Column("right_id", UUID(), primary_key=True, comment="a subject of another"),
    Column("kind", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    _moment("since"),
    CheckConstraint("left_id <> right_id", name="relations_of_two"),
    Index("relations_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "sightings",
    metadata,
    Column("subject_id", UUID(), primary_key=True, comment="the strongest identifier of receipts from tills"),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("receipts", Integer, nullable=False),
    Column("tills", ARRAY(Text), nullable=False),
    CheckConstraint("receipts > 0", name="sightings_receipts_positive"),
    Index("sightings_hour_idx", "hour"),
    info=OWNED,
)
Table(
    "watch_positions",
    metadata,
    Column("partition", SmallInteger, primary_key=True, comment="of the log of receipts"),
    Column("last_seq", BigInteger, nullable=False, comment="looked at so far"),
    info=OWNED,
)

# Erasures.

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
