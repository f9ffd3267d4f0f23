"""initial"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:  # noqa: PLR0915 - one statement per table
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
        "campaigns",
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("plan", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("seed", sa.LargeBinary(), nullable=False, comment="of the hold-out draw; random, never shown"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("approved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("approved_by", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state IN ('draft', 'approved')) = (started_at IS NULL)", name="campaigns_start_known"),
        sa.CheckConstraint(
            "state IN ('draft', 'approved', 'running', 'paused', 'stopped')", name="campaigns_state_known"
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("campaigns_pkey")),
        info={"class": "owned"},
    )
    op.create_index("campaigns_created_at_campaign_id", "campaigns", ["created_at", "campaign_id"], unique=False)
    op.create_table(
        "consents",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "purpose", "channel", name=op.f("consents_pkey")),
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
        "families",
        sa.Column(
            "family_id", sa.UUID(), nullable=False, comment="a sale's receipt; its row is the lock of its family"
        ),
        sa.PrimaryKeyConstraint("family_id", name=op.f("families_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False, comment="who asked, and which route"),
        sa.Column("key", sa.Text(), nullable=False, comment="the client's Idempotency-Key"),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the request's meaning, hex"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the answer's bytes as they were sent"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status_check"),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("idempotency_keys_pkey")),
        info={"class": "owned"},
    )
    op.create_index("idempotency_keys_expires_at_idx", "idempotency_keys", ["expires_at"], unique=False)
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
        "ledger_lines",
        sa.Column("posting_id", sa.UUID(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False, comment="receipt, lot or request"),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("account", sa.Text(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("posted_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "account IN ('member.active', 'member.debt', 'programme.issued',"
            " 'programme.redeemed', 'programme.expired', 'programme.adjusted')",
            name="ledger_lines_account_known",
        ),
        sa.CheckConstraint(
            "kind IN ('earned', 'taken_back', 'spent', 'expired', 'adjusted')", name="ledger_lines_kind_known"
        ),
        sa.CheckConstraint("points <> 0", name="ledger_lines_move_points"),
        sa.PrimaryKeyConstraint("source", "source_id", "line", "kind", name=op.f("ledger_lines_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("ledger_lines_posting_id"), "ledger_lines", ["posting_id"], unique=False)
    op.create_index(op.f("ledger_lines_subject_id"), "ledger_lines", ["subject_id"], unique=False)
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
        "points_accounts",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("active", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("debt", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("spent", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("expired", sa.BigInteger(), server_default="0", nullable=False),
        sa.CheckConstraint("active = 0 OR debt = 0", name="points_accounts_debt_paid_first"),
        sa.CheckConstraint("active >= 0", name="points_accounts_active_positive"),
        sa.CheckConstraint("debt >= 0", name="points_accounts_debt_positive"),
        sa.CheckConstraint("spent >= 0 AND expired >= 0", name="points_accounts_gone_positive"),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("points_accounts_pkey")),
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
        sa.Column("categories", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("product_id", name=op.f("products_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "receipts",
        sa.Column("receipt_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("subject_kind", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("business_date", sa.Date(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="sale, return or exchange"),
        sa.Column("sold_minor", sa.BigInteger(), nullable=False),
        sa.Column("returned_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("returns_receipt_id", sa.UUID(), nullable=True, comment="the sale that a return names"),
        sa.CheckConstraint("sold_minor >= 0 AND returned_minor >= 0", name="receipts_minor_positive"),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("receipts_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "receipts_returns",
        "receipts",
        ["returns_receipt_id"],
        unique=False,
        postgresql_where=sa.text("returns_receipt_id IS NOT NULL"),
    )
    op.create_index("receipts_store_id_occurred_at", "receipts", ["store_id", "occurred_at"], unique=False)
    op.create_index("receipts_subject_id_occurred_at", "receipts", ["subject_id", "occurred_at"], unique=False)
    op.create_table(
        "redemptions",
        sa.Column("redemption_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("receipt_key", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("total_minor", sa.BigInteger(), nullable=False, comment="the basket before coupons"),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("redeemed_by", sa.Text(), nullable=False),
        sa.CheckConstraint("discount_minor BETWEEN 0 AND total_minor", name="redemptions_discount_within_total"),
        sa.PrimaryKeyConstraint("redemption_id", name=op.f("redemptions_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("redemptions_customer_id"), "redemptions", ["customer_id"], unique=False)
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
        "segment_memberships",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("is_member", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("customer_id", "segment_id", name=op.f("segment_memberships_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "segment_memberships_members",
        "segment_memberships",
        ["segment_id"],
        unique=False,
        postgresql_where=sa.text("is_member"),
    )
    op.create_table(
        "stores",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("area", sa.Text(), nullable=True),
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
        "voids",
        sa.Column("void_id", sa.UUID(), nullable=False),
        sa.Column("receipt_id", sa.UUID(), nullable=False, comment="the receipt taken back"),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("void_id", name=op.f("voids_pkey")),
        info={"class": "derived"},
    )
    op.create_index(op.f("voids_receipt_id"), "voids", ["receipt_id"], unique=False)
    op.create_table(
        "warnings",
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Text(), nullable=True, comment="null: no warning is open"),
        sa.PrimaryKeyConstraint("customer_id", name=op.f("warnings_pkey")),
        info={"class": "derived"},
    )
    op.create_index(
        "warnings_open", "warnings", ["level"], unique=False, postgresql_where=sa.text("level IS NOT NULL")
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
    op.create_table(
        "campaign_caps",
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("uses", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("uses_max", sa.BigInteger(), nullable=True, comment="null: no limit"),
        sa.Column("discount_minor", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("discount_max_minor", sa.BigInteger(), nullable=True, comment="null: no limit"),
        sa.CheckConstraint(
            "discount_minor >= 0 AND (discount_max_minor IS NULL OR discount_minor <= discount_max_minor)",
            name="campaign_caps_discount_capped",
        ),
        sa.CheckConstraint("uses >= 0 AND (uses_max IS NULL OR uses <= uses_max)", name="campaign_caps_uses_capped"),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("campaign_caps_campaign_id_fkey")
        ),
        sa.PrimaryKeyConstraint("campaign_id", name=op.f("campaign_caps_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "coupons",
        sa.Column("coupon_id", sa.UUID(), nullable=False),
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("uses", sa.Integer(), server_default="0", nullable=False),
        sa.Column("uses_max", sa.Integer(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("uses BETWEEN 0 AND uses_max", name="coupons_uses_capped"),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name=op.f("coupons_campaign_id_fkey")),
        sa.PrimaryKeyConstraint("coupon_id", name=op.f("coupons_pkey")),
        sa.UniqueConstraint("campaign_id", "customer_id", name=op.f("coupons_campaign_id_customer_id_key")),
        sa.UniqueConstraint("code", name=op.f("coupons_code_key")),
        info={"class": "owned"},
    )
    op.create_index(op.f("coupons_customer_id"), "coupons", ["customer_id"], unique=False)
    op.create_table(
        "customer_uses",
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("uses", sa.Integer(), nullable=False),
        sa.Column("uses_max", sa.Integer(), nullable=False),
        sa.CheckConstraint("uses BETWEEN 0 AND uses_max", name="customer_uses_capped"),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("customer_uses_campaign_id_fkey")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "customer_id", name=op.f("customer_uses_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "messages",
        sa.Column("message_id", sa.UUID(), nullable=False),
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("channel", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "batch",
            sa.BigInteger(),
            nullable=True,
            comment="of the attempt under way; kept when it is repeated after a crash",
        ),
        sa.Column("attempts", sa.SmallInteger(), server_default="0", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why suppressed or failed"),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "settled_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when it was sent, suppressed or given up",
        ),
        sa.CheckConstraint("(state = 'sending') <= (batch IS NOT NULL)", name="messages_batch_known"),
        sa.CheckConstraint(
            "state IN ('waiting', 'sending', 'sent', 'failed', 'suppressed')", name="messages_state_known"
        ),
        sa.ForeignKeyConstraint(["campaign_id"], ["campaigns.campaign_id"], name=op.f("messages_campaign_id_fkey")),
        sa.PrimaryKeyConstraint("message_id", name=op.f("messages_pkey")),
        sa.UniqueConstraint("campaign_id", "customer_id", name=op.f("messages_campaign_id_customer_id_key")),
        info={"class": "owned"},
    )
    op.create_index(
        "messages_due",
        "messages",
        ["due_at", "message_id"],
        unique=False,
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "messages_sending", "messages", ["batch"], unique=False, postgresql_where=sa.text("state = 'sending'")
    )
    op.create_table(
        "participants",
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("arm", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why suppressed"),
        sa.Column("drawn_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "prepared_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when coupon, message and events were made",
        ),
        sa.CheckConstraint("(arm = 'suppressed') = (reason IS NOT NULL)", name="participants_reason_given"),
        sa.CheckConstraint("arm IN ('treated', 'hold_out', 'suppressed')", name="participants_arm_known"),
        sa.ForeignKeyConstraint(
            ["campaign_id"], ["campaigns.campaign_id"], name=op.f("participants_campaign_id_fkey")
        ),
        sa.PrimaryKeyConstraint("campaign_id", "customer_id", name=op.f("participants_pkey")),
        info={"class": "owned"},
    )
    op.create_index("participants_customer_id", "participants", ["customer_id"], unique=False)
    op.create_index(
        "participants_waiting",
        "participants",
        ["campaign_id", "customer_id"],
        unique=False,
        postgresql_where=sa.text("prepared_at IS NULL"),
    )
    op.create_table(
        "points_lots",
        sa.Column(
            "lot_id", sa.UUID(), nullable=False, comment="the sale's receipt, or the request that gave the points"
        ),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("earned", sa.BigInteger(), nullable=False),
        sa.Column("taken_back", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("expired", sa.BigInteger(), nullable=False),
        sa.Column(
            "unit_minor",
            sa.BigInteger(),
            nullable=False,
            comment="net spend per point when it was made, minor units; 0: given by hand",
        ),
        sa.Column("earned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("earned >= 0", name="points_lots_earned_positive"),
        sa.CheckConstraint("remaining >= 0 AND expired >= 0", name="points_lots_left_positive"),
        sa.ForeignKeyConstraint(
            ["subject_id"], ["points_accounts.subject_id"], name=op.f("points_lots_subject_id_fkey")
        ),
        sa.PrimaryKeyConstraint("lot_id", name=op.f("points_lots_pkey")),
        info={"class": "owned"},
    )
    op.create_index(
        "points_lots_expiring", "points_lots", ["expires_at"], unique=False, postgresql_where=sa.text("remaining > 0")
    )
    op.create_index(
        "points_lots_open",
        "points_lots",
        ["subject_id", "expires_at"],
        unique=False,
        postgresql_where=sa.text("remaining > 0"),
    )
    op.create_index("points_lots_subject_id_earned_at", "points_lots", ["subject_id", "earned_at"], unique=False)
    op.create_table(
        "rollbacks",
        sa.Column("redemption_id", sa.UUID(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("rolled_back_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rolled_back_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemptions.redemption_id"], name=op.f("rollbacks_redemption_id_fkey")
        ),
        sa.PrimaryKeyConstraint("redemption_id", name=op.f("rollbacks_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "redemption_items",
        sa.Column("redemption_id", sa.UUID(), nullable=False),
        sa.Column("coupon_id", sa.UUID(), nullable=False),
        sa.Column("campaign_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False, comment="whose uses were counted"),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("discount_minor > 0", name="redemption_items_discount_positive"),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.coupon_id"], name=op.f("redemption_items_coupon_id_fkey")),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemptions.redemption_id"], name=op.f("redemption_items_redemption_id_fkey")
        ),
        sa.PrimaryKeyConstraint("redemption_id", "coupon_id", name=op.f("redemption_items_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("redemption_items_campaign_id"), "redemption_items", ["campaign_id"], unique=False)
    op.create_index("redemption_items_coupon_id", "redemption_items", ["coupon_id"], unique=False)


def downgrade() -> None:  # noqa: PLR0915 - one statement per table
    op.drop_index("redemption_items_coupon_id", table_name="redemption_items")
    op.drop_index(op.f("redemption_items_campaign_id"), table_name="redemption_items")
    op.drop_table("redemption_items")
    op.drop_table("rollbacks")
    op.drop_index("points_lots_subject_id_earned_at", table_name="points_lots")
    op.drop_index("points_lots_open", table_name="points_lots", postgresql_where=sa.text("remaining > 0"))
    op.drop_index("points_lots_expiring", table_name="points_lots", postgresql_where=sa.text("remaining > 0"))
    op.drop_table("points_lots")
    op.drop_index("participants_waiting", table_name="participants", postgresql_where=sa.text("prepared_at IS NULL"))
    op.drop_index("participants_customer_id", table_name="participants")
    op.drop_table("participants")
    op.drop_index("messages_sending", table_name="messages", postgresql_where=sa.text("state = 'sending'"))
    op.drop_index("messages_due", table_name="messages", postgresql_where=sa.text("state = 'waiting'"))
    op.drop_table("messages")
    op.drop_table("customer_uses")
    op.drop_index(op.f("coupons_customer_id"), table_name="coupons")
    op.drop_table("coupons")
    op.drop_table("campaign_caps")
    op.drop_table("worker_members")
    op.drop_table("watermarks")
    op.drop_index("warnings_open", table_name="warnings", postgresql_where=sa.text("level IS NOT NULL"))
    op.drop_table("warnings")
    op.drop_index(op.f("voids_receipt_id"), table_name="voids")
    op.drop_table("voids")
    op.drop_table("unnumbered")
    op.drop_table("stores")
    op.drop_index(
        "segment_memberships_members", table_name="segment_memberships", postgresql_where=sa.text("is_member")
    )
    op.drop_table("segment_memberships")
    op.drop_table("schedule_runs")
    op.drop_index(op.f("redemptions_customer_id"), table_name="redemptions")
    op.drop_table("redemptions")
    op.drop_index("receipts_subject_id_occurred_at", table_name="receipts")
    op.drop_index("receipts_store_id_occurred_at", table_name="receipts")
    op.drop_index(
        "receipts_returns", table_name="receipts", postgresql_where=sa.text("returns_receipt_id IS NOT NULL")
    )
    op.drop_table("receipts")
    op.drop_table("products")
    op.drop_table("positions")
    op.drop_table("points_accounts")
    op.drop_table("numbered")
    op.drop_table("log_origin")
    op.drop_index(op.f("ledger_lines_subject_id"), table_name="ledger_lines")
    op.drop_index(op.f("ledger_lines_posting_id"), table_name="ledger_lines")
    op.drop_table("ledger_lines")
    op.drop_table("leases")
    op.drop_index("idempotency_keys_expires_at_idx", table_name="idempotency_keys")
    op.drop_table("idempotency_keys")
    op.drop_table("families")
    op.drop_table("events")
    op.drop_index("dead_letters_waiting", table_name="dead_letters", postgresql_where=sa.text("replayed_at IS NULL"))
    op.drop_table("dead_letters")
    op.drop_table("consents")
    op.drop_index("campaigns_created_at_campaign_id", table_name="campaigns")
    op.drop_table("campaigns")
    op.drop_index(op.f("assignments_customer_id"), table_name="assignments")
    op.drop_table("assignments")
