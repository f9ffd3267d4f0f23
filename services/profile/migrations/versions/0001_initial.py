"""Facts of purchases and people, totals of subjects and stores, customers as folded, and the numbered log."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("version > 0", name="assignments_version_positive"),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("assignments_pkey")),
        info={"class": "derived"},
    )
    op.create_index(op.f("assignments_customer_id"), "assignments", ["customer_id"], unique=False)
    op.create_table(
        "attributes",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", postgresql.JSONB(astext_type=sa.Text()), nullable=True, comment="null: taken away"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "name", name=op.f("attributes_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "consents",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("policy_version", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.CheckConstraint("state IN ('granted', 'withdrawn')", name="consents_state"),
        sa.PrimaryKeyConstraint("subject_id", "channel", "purpose", name=op.f("consents_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "customers",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column(
            "currency", sa.Text(), nullable=True, comment="the one most often paid in; null without a purchase"
        ),
        sa.Column("receipts", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("net_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lifecycle", sa.Text(), server_default="prospect", nullable=False),
        sa.Column("rfm_cell", sa.Text(), nullable=True),
        sa.Column("review_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("refreshed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("customers_pkey")),
        info={"class": "computed"},
    )
    op.create_index(
        "customers_due", "customers", ["review_at"], unique=False, postgresql_where=sa.text("review_at IS NOT NULL")
    )
    op.create_table(
        "dead_letters",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("code_version", sa.Text(), nullable=False),
        sa.Column("dead_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("replayed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("origin", "topic", "partition", "seq", name=op.f("dead_letters_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "dead_letters_waiting",
        "dead_letters",
        ["dead_at"],
        unique=False,
        postgresql_where=sa.text("replayed_at IS NULL"),
    )
    op.create_table(
        "dirty",
        sa.Column("mark", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("mark", name=op.f("dirty_pkey")),
        info={"class": "computed"},
    )
    op.create_index(op.f("dirty_customer_id"), "dirty", ["customer_id"], unique=False)
    op.create_table(
        "erased_subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("erased_subjects_pkey")),
        info={"class": "derived"},
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
        "moments",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column("detail", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("event_id", name=op.f("moments_pkey")),
        info={"class": "derived"},
    )
    op.create_index("moments_by_subject", "moments", ["subject_id", "occurred_at", "event_id"], unique=False)
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
        sa.CheckConstraint("(seq = 1) = (prev_event_id IS NULL)", name="numbered_prev_named"),
        sa.CheckConstraint("seq > 0", name="numbered_seq_positive"),
        sa.PrimaryKeyConstraint("topic", "partition", "seq", name=op.f("numbered_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("numbered_event_id_key")),
        info={"class": "owned"},
    )
    op.create_table(
        "positions",
        sa.Column("origin", sa.Text(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("last_seq", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("last_event_id", sa.UUID(), nullable=True),
        sa.Column(
            "next_offset", sa.BigInteger(), server_default="0", nullable=False, comment="a hint, never a proof"
        ),
        sa.Column("dead_in_a_row", sa.Integer(), server_default="0", nullable=False),
        sa.Column(
            "braked_version",
            sa.Text(),
            nullable=True,
            comment="the code that met too many dead letters; other code goes on",
        ),
        sa.Column(
            "forked_reason",
            sa.Text(),
            nullable=True,
            comment="why this origin's history no longer fits; stops the partition",
        ),
        sa.CheckConstraint("(last_seq = 0) = (last_event_id IS NULL)", name="positions_event_named"),
        sa.PrimaryKeyConstraint("origin", "topic", "partition", name=op.f("positions_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("categories", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("products_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=True),
        sa.Column("subject_id", sa.UUID(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False, comment="unknown: only a void of it has arrived"),
        sa.Column("training", sa.Boolean(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business_date", sa.Date(), nullable=True),
        sa.Column("utc_offset_minutes", sa.SmallInteger(), nullable=True),
        sa.Column("currency", sa.Text(), nullable=True),
        sa.Column("sold_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.BigInteger(), nullable=False),
        sa.Column("used_coupon", sa.Boolean(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=True),
        sa.Column(
            "lines",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[[product_id, quantity, amount_minor], …]; given back: amount below 0",
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'unknown' THEN voided AND event_id IS NULL AND subject_id IS NULL"
            " ELSE num_nulls(event_id, subject_id, store_id, occurred_at, business_date, utc_offset_minutes,"
            " currency, channel) = 0 END",
            name="receipts_complete",
        ),
        sa.CheckConstraint("kind IN ('sale', 'return', 'exchange', 'unknown')", name="receipts_kind"),
        sa.CheckConstraint("sold_minor >= 0 AND returned_minor >= 0 AND items >= 0", name="receipts_amounts"),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("receipts_pkey")),
        info={"class": "derived"},
    )
    op.create_index("receipts_by_subject", "receipts", ["subject_id", "occurred_at", "receipt_id"], unique=False)
    op.create_table(
        "rfm_bounds",
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column(
            "recency_days",
            postgresql.ARRAY(sa.BigInteger()),
            nullable=False,
            comment="upper ends of the first four fifths",
        ),
        sa.Column("frequency", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.Column("monetary_minor", postgresql.ARRAY(sa.BigInteger()), nullable=False),
        sa.PrimaryKeyConstraint("currency", name=op.f("rfm_bounds_pkey")),
        info={"class": "computed"},
    )
    op.create_table(
        "schedule_runs",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task", name=op.f("schedule_runs_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "store_totals",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column(
            "partition", sa.SmallInteger(), nullable=False, comment="of the subject, so that workers do not meet"
        ),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "facts",
            sa.BigInteger(),
            nullable=False,
            comment="receipts and voids counted or not; a row with none goes",
        ),
        sa.Column(
            "receipts", sa.BigInteger(), nullable=False, comment="sales and exchanges, neither voided nor training"
        ),
        sa.Column("returns", sa.BigInteger(), nullable=False, comment="returns and exchanges"),
        sa.Column("items", sa.BigInteger(), nullable=False, comment="pieces sold; a line sold by measure is one"),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "unknown_void_minor", sa.BigInteger(), nullable=False, comment="voids whose original has not arrived"
        ),
        sa.PrimaryKeyConstraint("store_id", "partition", "currency", name=op.f("store_totals_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "stores",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=True),
        sa.Column("city", sa.Text(), nullable=True),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", name=op.f("stores_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "subject_totals",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "receipts", sa.BigInteger(), nullable=False, comment="sales and exchanges, neither voided nor training"
        ),
        sa.Column("returns", sa.BigInteger(), nullable=False, comment="returns and exchanges"),
        sa.Column("items", sa.BigInteger(), nullable=False, comment="pieces sold; a line sold by measure is one"),
        sa.Column("gross_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "unknown_void_minor", sa.BigInteger(), nullable=False, comment="voids whose original has not arrived"
        ),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(receipts = 0) = (first_at IS NULL)", name="subject_totals_first"),
        sa.PrimaryKeyConstraint("subject_id", "currency", name=op.f("subject_totals_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("namespace", sa.Text(), nullable=True),
        sa.Column("masked", sa.Text(), nullable=True),
        sa.Column(
            "masked_version", sa.BigInteger(), nullable=False, comment="of the assignment that told; 0: none did"
        ),
        sa.CheckConstraint("kind IN ('identified', 'device', 'guest')", name="subjects_kind"),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("subjects_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "tags",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("set_by", sa.Text(), nullable=False),
        sa.Column("set_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "tag", name=op.f("tags_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "transitions",
        sa.Column("kind", sa.Text(), nullable=False, comment="lifecycle, or segment:NAME"),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="how many transitions were said; never falls"),
        sa.Column("state", sa.Text(), nullable=False, comment="in, out, or the stage of life"),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("n > 0", name="transitions_counted"),
        sa.PrimaryKeyConstraint("kind", "customer_id", name=op.f("transitions_pkey")),
        info={"class": "owned"},
    )
    op.create_index("transitions_by_customer", "transitions", ["customer_id"], unique=False)
    op.create_index(
        "transitions_in",
        "transitions",
        ["kind", "customer_id"],
        unique=False,
        postgresql_where=sa.text("state = 'in'"),
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
        "voids",
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("voids_receipt_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("amount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("amount_minor >= 0", name="voids_amount"),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("voids_pkey")),
        info={"class": "derived"},
    )
    op.create_index(op.f("voids_subject_id"), "voids", ["subject_id"], unique=False)
    op.create_index(op.f("voids_voids_receipt_id"), "voids", ["voids_receipt_id"], unique=False)
    op.create_table(
        "watermarks",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("published_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("watermarks_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "worker_members",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", name=op.f("worker_members_pkey")),
        info={"class": "owned"},
    )
