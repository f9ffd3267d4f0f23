"""The numbered log, keys of de-duplication, subjects and their links, and what is kept sealed."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

KEY_PARTITIONS = 16
# Sealed bytes do not compress: without this PostgreSQL tries, on every row.
SEALED_TABLES = ("originals", "vault_entries", "refusals")


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the event that was the reason"),
        sa.CheckConstraint("version > 0", name=op.f("assignments_version_positive")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("assignments_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("assignments_customer_id_idx"), "assignments", ["customer_id"], unique=False)
    op.create_table(
        "dedup_keys",
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, comment="keyed hash of the de-duplication key"),
        sa.Column("content_digest", sa.LargeBinary(), nullable=False, comment="keyed hash of what was said under it"),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name=op.f("dedup_keys_pkey")),
        info={"class": "owned"},
        postgresql_partition_by="HASH (key_digest)",
    )
    op.create_table(
        "events",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False, comment="the subject, product or store id; opaque"),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("version", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the envelope, as it is published"),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column(
            "stored_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("events_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("leases_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "log_origin",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column(
            "incarnation", sa.SmallInteger(), nullable=False, comment="rises when the log is restored or promoted"
        ),
        sa.PrimaryKeyConstraint("service", name=op.f("log_origin_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "numbered",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="1, 2, 3 … without a gap"),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column(
            "prev_event_id",
            sa.UUID(),
            nullable=True,
            comment="the event before it in its partition; null for the first",
        ),
        sa.Column("key", sa.Text(), nullable=False),
        sa.CheckConstraint("(seq = 1) = (prev_event_id IS NULL)", name=op.f("numbered_prev_named")),
        sa.CheckConstraint("seq > 0", name=op.f("numbered_seq_positive")),
        sa.PrimaryKeyConstraint("topic", "partition", "seq", name=op.f("numbered_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("numbered_event_id_key")),
        info={"class": "owned"},
    )
    op.create_table(
        "originals",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("key_id", sa.UUID(), nullable=False, comment="whose key in the vault opens it"),
        sa.Column(
            "sealed", sa.LargeBinary(), nullable=False, comment="the input as it came, compressed and encrypted"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("originals_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("originals_key_id_idx"), "originals", ["key_id"], unique=False)
    op.create_table(
        "pending_links",
        sa.Column("event_id", sa.UUID(), nullable=False, comment="linked when this event is numbered"),
        sa.Column("subject_ids", postgresql.ARRAY(sa.UUID()), nullable=False, comment="one person's, says the event"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pending_links_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "refusals",
        sa.Column("refusal_id", sa.UUID(), nullable=False, comment="a function of source and content"),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="which route it came by"),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("lookup_digest", sa.LargeBinary(), nullable=True, comment="finds it by its message_id"),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column(
            "event_id", sa.UUID(), nullable=True, comment="of a conflict: what was accepted under the same key before"
        ),
        sa.Column("key_id", sa.UUID(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("times", sa.Integer(), server_default="1", nullable=False, comment="how often it was sent"),
        sa.CheckConstraint("outcome IN ('refused', 'conflict')", name=op.f("refusals_outcome_known")),
        sa.PrimaryKeyConstraint("refusal_id", name=op.f("refusals_pkey")),
        info={"class": "owned"},
    )
    op.create_index(
        "refusals_event_id_idx",
        "refusals",
        ["event_id"],
        unique=False,
        postgresql_where=sa.text("event_id IS NOT NULL"),
    )
    op.create_index(
        "refusals_lookup_digest_idx",
        "refusals",
        ["lookup_digest"],
        unique=False,
        postgresql_where=sa.text("lookup_digest IS NOT NULL"),
    )
    op.create_index("refusals_received_at_idx", "refusals", ["received_at", "refusal_id"], unique=False)
    op.create_table(
        "refused_links",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("event_id", "subject_id", name=op.f("refused_links_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "reveals",
        sa.Column("reveal_id", sa.UUID(), server_default=sa.text("gen_random_uuid()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, comment="the API key that asked"),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("subject_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column(
            "revealed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("reveal_id", name=op.f("reveals_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "sources",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), server_default="", nullable=False),
        sa.Column("key_digest", sa.Text(), nullable=False, comment="SHA-256 of the write key, hex"),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind IN ('pos', 'server', 'import', 'web', 'app')", name=op.f("sources_kind_known")),
        sa.PrimaryKeyConstraint("source_id", name=op.f("sources_pkey")),
        sa.UniqueConstraint("key_digest", name=op.f("sources_key_digest_key")),
        info={"class": "owned"},
    )
    op.create_table(
        "subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=False),
        sa.Column("blind_index", sa.LargeBinary(), nullable=False),
        sa.Column(
            "generation", sa.Integer(), server_default="0", nullable=False, comment="rises when it is re-issued"
        ),
        sa.Column("masked", sa.Text(), nullable=False, comment="as it may be shown"),
        sa.Column("first_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("subjects_pkey")),
        sa.UniqueConstraint("blind_index", "namespace", "generation", name=op.f("subjects_blind_index_key")),
        info={"class": "owned"},
    )
    op.create_table(
        "terminal_epochs",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False, comment="rises when the terminal starts counting again"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_sequence", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("epoch >= 0", name=op.f("terminal_epochs_not_negative")),
        sa.PrimaryKeyConstraint(
            "store_id", "terminal_id", "business_date", "epoch", name=op.f("terminal_epochs_pkey")
        ),
        info={"class": "owned"},
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "unnumbered",
        sa.Column("arrival", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival", name=op.f("unnumbered_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "vault_entries",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("field", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "field", name=op.f("vault_entries_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "watermarks",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("published_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("watermarks_pkey")),
        info={"class": "owned"},
    )
    for number in range(KEY_PARTITIONS):
        op.execute(
            f"CREATE TABLE dedup_keys_part_{number:02} PARTITION OF dedup_keys"
            f" FOR VALUES WITH (MODULUS {KEY_PARTITIONS}, REMAINDER {number})"
        )
    for table in SEALED_TABLES:
        op.execute(f"ALTER TABLE {table} ALTER COLUMN sealed SET STORAGE EXTERNAL")


def downgrade() -> None:
    op.drop_table("watermarks")
    op.drop_table("vault_entries")
    op.drop_table("unnumbered")
    op.drop_table("terminal_epochs")
    op.drop_table("subjects")
    op.drop_table("sources")
    op.drop_table("reveals")
    op.drop_table("refused_links")
    op.drop_index("refusals_received_at_idx", table_name="refusals")
    op.drop_index(
        "refusals_lookup_digest_idx", table_name="refusals", postgresql_where=sa.text("lookup_digest IS NOT NULL")
    )
    op.drop_index("refusals_event_id_idx", table_name="refusals", postgresql_where=sa.text("event_id IS NOT NULL"))
    op.drop_table("refusals")
    op.drop_table("pending_links")
    op.drop_index(op.f("originals_key_id_idx"), table_name="originals")
    op.drop_table("originals")
    op.drop_table("numbered")
    op.drop_table("log_origin")
    op.drop_table("leases")
    op.drop_table("events")
    op.drop_table("dedup_keys")
    op.drop_index(op.f("assignments_customer_id_idx"), table_name="assignments")
    op.drop_table("assignments")
