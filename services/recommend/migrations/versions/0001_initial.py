"""Receipts, popularity, the catalogue, consents, sessions, what was shown, and the numbered log."""

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
        "activity",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=True),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.CheckConstraint("action IN ('impression', 'click', 'add_to_cart', 'purchase')", name="activity_action"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("activity_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("activity_customer_id"), "activity", ["customer_id"], unique=False)
    op.create_index(op.f("activity_request_id"), "activity", ["request_id"], unique=False)
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
        "consents",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column(
            "is_withdrawn", sa.Boolean(), nullable=False, comment="of personalisation, the only purpose kept here"
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "channel", name=op.f("consents_pkey")),
        info={"class": "derived"},
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
        "popularity",
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("purchases", sa.Integer(), nullable=False, comment="receipts of the day that hold the product"),
        sa.PrimaryKeyConstraint("day", "store_id", "product_id", "partition", name=op.f("popularity_pkey")),
        info={"class": "derived"},
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
        "prices",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True, comment="null: every store without its own price"),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("price_minor", sa.BigInteger(), nullable=False),
        sa.Column("valid_from_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_until_at", sa.DateTime(timezone=True), nullable=True, comment="excluded"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("price_minor >= 0", name="prices_amount"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("prices_pkey")),
        info={"class": "derived"},
    )
    op.create_index(op.f("prices_product_id"), "prices", ["product_id"], unique=False)
    op.create_table(
        "products",
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("brand", sa.Text(), nullable=True),
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False, comment="from the department down"),
        sa.Column("size", sa.Text(), nullable=True),
        sa.Column("is_sold", sa.Boolean(), nullable=False),
        sa.Column("attributes", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
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
        sa.Column("is_guest", sa.Boolean(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="unknown: only a void of it has arrived"),
        sa.Column("training", sa.Boolean(), nullable=False),
        sa.Column("voided", sa.Boolean(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("business_date", sa.Date(), nullable=True),
        sa.Column(
            "returns_receipt_id", sa.UUID(), nullable=True, comment="the receipt that a return takes back from"
        ),
        sa.Column(
            "moved",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[[product_id, millionths], …]; bought: 0 and above, given back: below",
        ),
        sa.CheckConstraint(
            "CASE kind WHEN 'unknown' THEN voided AND event_id IS NULL AND subject_id IS NULL"
            " ELSE num_nulls(event_id, subject_id, store_id, occurred_at, business_date) = 0 END",
            name="receipts_complete",
        ),
        sa.CheckConstraint("kind IN ('sale', 'return', 'exchange', 'unknown')", name="receipts_kind"),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("receipts_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "receipts_by_original",
        "receipts",
        ["returns_receipt_id"],
        unique=False,
        postgresql_where=sa.text("returns_receipt_id IS NOT NULL"),
    )
    op.create_index("receipts_by_subject", "receipts", ["subject_id"], unique=False)
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
        "session_views",
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column(
            "viewed_at", sa.DateTime(timezone=True), nullable=False, comment="last looked at or put into the cart"
        ),
        sa.PrimaryKeyConstraint("session_id", "subject_id", "product_id", name=op.f("session_views_pkey")),
        info={"class": "derived"},
    )
    op.create_index("session_views_by_subject", "session_views", ["subject_id"], unique=False)
    op.create_table(
        "shown",
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("fallback_level", sa.SmallInteger(), nullable=False),
        sa.Column("product_ids", sa.ARRAY(sa.Text()), nullable=False, comment="in the order shown"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("shown_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("shown_customer_id"), "shown", ["customer_id"], unique=False)
    op.create_index(op.f("shown_shown_at"), "shown", ["shown_at"], unique=False)
    op.create_table(
        "stock",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("in_stock", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", "product_id", name=op.f("stock_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "stock_missing", "stock", ["store_id", "product_id"], unique=False, postgresql_where=sa.text("NOT in_stock")
    )
    op.create_table(
        "stores",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column("is_open", sa.Boolean(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("store_id", name=op.f("stores_pkey")),
        info={"class": "derived"},
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
