"""Receipts and products as facts, scores, warnings with their counters and answers, and the numbered log."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "assignments",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("version > 0", name="assignments_version_positive"),
        sa.PrimaryKeyConstraint("subject_id", name="assignments_pkey"),
    )
    op.create_index("assignments_customer_id", "assignments", ["customer_id"], unique=False)
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
        sa.PrimaryKeyConstraint("origin", "topic", "partition", "seq", name="dead_letters_pkey"),
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
        sa.Column("subject_id", sa.UUID(), nullable=False, comment="a subject, or the customer that it was of"),
        sa.PrimaryKeyConstraint("subject_id", name="erased_subjects_pkey"),
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
        sa.PrimaryKeyConstraint("event_id", name="events_pkey"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("generation", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="leases_pkey"),
    )
    op.create_table(
        "log_origin",
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column(
            "incarnation", sa.SmallInteger(), nullable=False, comment="rises when the log is restored or promoted"
        ),
        sa.PrimaryKeyConstraint("service", name="log_origin_pkey"),
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
        sa.PrimaryKeyConstraint("topic", "partition", "seq", name="numbered_pkey"),
        sa.UniqueConstraint("event_id", name="numbered_event_id_key"),
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
        sa.PrimaryKeyConstraint("origin", "topic", "partition", name="positions_pkey"),
    )
    op.create_table(
        "products",
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column(
            "categories", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="from the department down"
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name="products_pkey"),
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column(
            "identified",
            sa.Boolean(),
            nullable=False,
            comment="false: counts only once the subject is assigned to a customer",
        ),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="the store's business day"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("hour", sa.SmallInteger(), nullable=False, comment="local hour of the day"),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("sold_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("items", sa.Integer(), nullable=False, comment="lines bought"),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column(
            "coupon_minor",
            sa.BigInteger(),
            nullable=False,
            comment="the part of discount_minor that coupons took off",
        ),
        sa.Column(
            "products",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="[product_id, …] bought, each once",
        ),
        sa.CheckConstraint("kind IN ('sale', 'return', 'exchange')", name="receipts_kind"),
        sa.CheckConstraint("hour BETWEEN 0 AND 23", name="receipts_hour"),
        sa.CheckConstraint(
            "sold_minor >= 0 AND returned_minor >= 0 AND items >= 0 AND coupon_minor >= 0"
            " AND discount_minor >= coupon_minor",
            name="receipts_amounts",
        ),
        sa.PrimaryKeyConstraint("receipt_id", name="receipts_pkey"),
    )
    op.create_index("receipts_by_day", "receipts", ["day"], unique=False)
    op.create_index("receipts_by_subject", "receipts", ["subject_id", "day"], unique=False)
    op.create_table(
        "schedule_runs",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task", name="schedule_runs_pkey"),
    )
    op.create_table(
        "score_requests",
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("asked_by", sa.Text(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint("state IN ('pending', 'done', 'failed')", name="score_requests_state"),
        sa.PrimaryKeyConstraint("request_id", name="score_requests_pkey"),
    )
    op.create_index(
        "score_requests_pending",
        "score_requests",
        ["asked_at"],
        unique=False,
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_table(
        "scores",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("as_of", sa.Date(), nullable=False, comment="the day whose evening is described"),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "level", sa.SmallInteger(), nullable=False, comment="0 none, 1 watch, 2 elevated, 3 high, 4 critical"
        ),
        sa.Column(
            "lost_by_week",
            postgresql.ARRAY(sa.Double()),
            nullable=False,
            comment="probability of being lost within 1..12 weeks",
        ),
        sa.Column("lapse28", sa.Double(), nullable=False, comment="probability of no visit in 28 days"),
        sa.Column(
            "partial56", sa.Double(), nullable=True, comment="probability of spending less than half in 56 days"
        ),
        sa.Column("expected_low", sa.SmallInteger(), nullable=True),
        sa.Column("expected_high", sa.SmallInteger(), nullable=True),
        sa.Column("silence_days", sa.Integer(), nullable=False),
        sa.Column("usual_gap_days", sa.Double(), nullable=True, comment="median of the own gaps; null: none known"),
        sa.Column(
            "limit_days", sa.Double(), nullable=False, comment="silence after which the customer counts as lost"
        ),
        sa.Column("value_at_risk_minor", sa.BigInteger(), nullable=False),
        sa.Column("urgency", sa.Double(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True, comment="where most visits of 112 days were"),
        sa.Column("reasons", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "state IN ('insufficient_history', 'active', 'at_risk', 'already_lost')", name="scores_state"
        ),
        sa.CheckConstraint("cardinality(lost_by_week) = 12", name="scores_curve"),
        sa.CheckConstraint("level BETWEEN 0 AND 4", name="scores_level"),
        sa.CheckConstraint("value_at_risk_minor >= 0 AND silence_days >= 0", name="scores_amounts"),
        sa.PrimaryKeyConstraint("customer_id", "as_of", name="scores_pkey"),
    )
    op.create_index("scores_by_day", "scores", ["as_of", "level"], unique=False)
    op.create_table(
        "scorings",
        sa.Column("as_of", sa.Date(), nullable=False),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("customers", sa.Integer(), nullable=False),
        sa.Column("levels", postgresql.JSONB(astext_type=sa.Text()), nullable=False, comment="customers by level"),
        sa.Column(
            "moved_warnings",
            sa.Boolean(),
            nullable=False,
            comment="false: an earlier day was scored again, for the record",
        ),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("as_of", name="scorings_pkey"),
    )
    op.create_table(
        "unnumbered",
        sa.Column("arrival", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("arrival", name="unnumbered_pkey"),
    )
    op.create_table(
        "voids",
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("voids_receipt_id", sa.UUID(), nullable=False, comment="the receipt taken back, here or not"),
        sa.PrimaryKeyConstraint("receipt_id", name="voids_pkey"),
    )
    op.create_index("voids_voids_receipt_id", "voids", ["voids_receipt_id"], unique=False)
    op.create_table(
        "warning_counters",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="how many transitions were said; never falls"),
        sa.CheckConstraint("n > 0", name="warning_counters_counted"),
        sa.PrimaryKeyConstraint("customer_id", name="warning_counters_pkey"),
    )
    op.create_table(
        "warning_feedback",
        sa.Column("feedback_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("warning_id", sa.UUID(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("given_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("verdict IN ('useful', 'wrong', 'done', 'snooze')", name="warning_feedback_verdict"),
        sa.PrimaryKeyConstraint("feedback_id", name="warning_feedback_pkey"),
    )
    op.create_index("warning_feedback_warning_id", "warning_feedback", ["warning_id"], unique=False)
    op.create_table(
        "warnings",
        sa.Column("warning_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("level", sa.SmallInteger(), nullable=False),
        sa.Column("opened_as_of", sa.Date(), nullable=False),
        sa.Column("opened_at_level", sa.SmallInteger(), nullable=False),
        sa.Column("probability_8w", sa.Double(), nullable=False),
        sa.Column("expected_low", sa.SmallInteger(), nullable=False),
        sa.Column("expected_high", sa.SmallInteger(), nullable=False),
        sa.Column("value_at_risk_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column(
            "urgency",
            sa.Double(),
            nullable=False,
            comment="alert score x sqrt(eight weeks' spend): the order of the work list",
        ),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column(
            "reasons",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="as they were when it was opened",
        ),
        sa.Column("as_of", sa.Date(), nullable=False, comment="of the figures above"),
        sa.Column("model_version", sa.Text(), nullable=False),
        sa.Column("snoozed_until", sa.Date(), nullable=True),
        sa.Column("closed_as_of", sa.Date(), nullable=True),
        sa.Column("outcome", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('returned', 'cleared', 'lapsed', 'dismissed', 'erased')", name="warnings_outcome"
        ),
        sa.CheckConstraint("(closed_as_of IS NULL) = (outcome IS NULL)", name="warnings_closed"),
        sa.CheckConstraint("level BETWEEN 1 AND 4 AND opened_at_level BETWEEN 1 AND 4", name="warnings_level"),
        sa.CheckConstraint("value_at_risk_minor >= 0", name="warnings_value"),
        sa.PrimaryKeyConstraint("warning_id", name="warnings_pkey"),
    )
    op.create_index(
        "warnings_by_urgency", "warnings", [sa.literal_column("urgency DESC"), "warning_id"], unique=False
    )
    op.create_index("warnings_customer_id", "warnings", ["customer_id"], unique=False)
    op.create_index(
        "warnings_open", "warnings", ["customer_id"], unique=True, postgresql_where=sa.text("closed_as_of IS NULL")
    )
    op.create_table(
        "watermarks",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), nullable=False),
        sa.Column("published_seq", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("topic", "partition", name="watermarks_pkey"),
    )
    op.create_table(
        "worker_members",
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("holder", name="worker_members_pkey"),
    )
