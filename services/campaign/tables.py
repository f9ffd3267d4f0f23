"""The tables of campaign: what topics told it (derived) and what only it knows (owned)."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from shared.customers.tables import declare_assignments, declare_erasures, declare_memberships
from shared.http.tables import idempotency_table
from shared.log.tables import declare_log
from shared.worker.tables import declare_worker

DERIVED = {"class": "derived"}
OWNED = {"class": "owned"}
UTC_TIME = DateTime(timezone=True)

metadata = MetaData(
    naming_convention={
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "fk": "%(table_name)s_%(column_0_N_name)s_fkey",
        "pk": "%(table_name)s_pkey",
    }
)
declare_log(metadata)
declare_worker(metadata)
declare_assignments(metadata)
declare_erasures(metadata)
declare_memberships(metadata)
idempotency_table(metadata)

# What topics told.

Table(
    "receipts",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    Column("subject_id", UUID(), nullable=False),
    Column("subject_kind", Text, nullable=False),
    Column("store_id", Text, nullable=False),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("business_date", Date, nullable=False),
    Column("kind", Text, nullable=False, comment="sale, return or exchange"),
    Column("sold_minor", BigInteger, nullable=False),
    Column("returned_minor", BigInteger, nullable=False),
    Column("currency", Text, nullable=False),
    Column("returns_receipt_id", UUID(), comment="the sale that a return names"),
    CheckConstraint("sold_minor >= 0 AND returned_minor >= 0", name="receipts_minor_positive"),
    Index("receipts_subject_id_occurred_at", "subject_id", "occurred_at"),
    Index("receipts_returns", "returns_receipt_id", postgresql_where=text("returns_receipt_id IS NOT NULL")),
    Index("receipts_store_id_occurred_at", "store_id", "occurred_at"),
    info=DERIVED,
)
Table(
    "voids",
    metadata,
    Column("void_id", UUID(), primary_key=True),
    Column("receipt_id", UUID(), nullable=False, index=True, comment="the receipt taken back"),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("replaced_by", UUID(), comment="the receipt recorded in its place, of an order that was edited"),
    Index("voids_replaced_by", "replaced_by", postgresql_where=text("replaced_by IS NOT NULL")),
    info=DERIVED,
)
Table(
    "families",
    metadata,
    Column("family_id", UUID(), primary_key=True, comment="a sale's receipt; its row is the lock of its family"),
    info=DERIVED,
)
Table(
    "consents",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("purpose", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("state", Text, nullable=False),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("event_id", UUID(), nullable=False),
    info=DERIVED,
)
Table(
    "warnings",
    metadata,
    Column("customer_id", UUID(), primary_key=True),
    Column("n", BigInteger, nullable=False),
    Column("level", Text, comment="null: no warning is open"),
    Index("warnings_open", "level", postgresql_where=text("level IS NOT NULL")),
    info=DERIVED,
)
Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    Column("categories", ARRAY(Text), nullable=False),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("event_id", UUID(), nullable=False),
    info=DERIVED,
)
Table(
    "stores",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("area", Text),
    Column("occurred_at", UTC_TIME, nullable=False),
    Column("event_id", UUID(), nullable=False),
    info=DERIVED,
)

# Campaigns.

Table(
    "campaigns",
    metadata,
    Column("campaign_id", UUID(), primary_key=True),
    Column("plan", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("seed", LargeBinary, nullable=False, comment="of the hold-out draw; random, never shown"),
    Column("created_at", UTC_TIME, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("approved_at", UTC_TIME),
    Column("approved_by", Text),
    Column("started_at", UTC_TIME),
    Column("stopped_at", UTC_TIME),
    CheckConstraint("state IN ('draft', 'approved', 'running', 'paused', 'stopped')", name="campaigns_state_known"),
    CheckConstraint("(state IN ('draft', 'approved')) = (started_at IS NULL)", name="campaigns_start_known"),
    Index("campaigns_created_at_campaign_id", "created_at", "campaign_id"),
    info=OWNED,
)
Table(
    "participants",
    metadata,
    Column("campaign_id", UUID(), ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("customer_id", UUID(), primary_key=True),
    Column("arm", Text, nullable=False),
    Column("reason", Text, comment="why suppressed"),
    Column("drawn_at", UTC_TIME, nullable=False),
    Column("prepared_at", UTC_TIME, comment="when coupon, message and events were made"),
    CheckConstraint("arm IN ('treated', 'hold_out', 'suppressed')", name="participants_arm_known"),
    CheckConstraint("(arm = 'suppressed') = (reason IS NOT NULL)", name="participants_reason_given"),
    Index("participants_waiting", "campaign_id", "customer_id", postgresql_where=text("prepared_at IS NULL")),
    Index("participants_customer_id", "customer_id"),
    info=OWNED,
)
Table(
    "messages",
    metadata,
    Column("message_id", UUID(), primary_key=True),
    Column("campaign_id", UUID(), ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("customer_id", UUID(), nullable=False),
    Column("channel", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("batch", BigInteger, comment="of the attempt under way; kept when it is repeated after a crash"),
    Column("attempts", SmallInteger, nullable=False, server_default="0"),
    Column("reason", Text, comment="why suppressed or failed"),
    Column("due_at", UTC_TIME, nullable=False),
    Column("settled_at", UTC_TIME, comment="when it was sent, suppressed or given up"),
    CheckConstraint("state IN ('waiting', 'sending', 'sent', 'failed', 'suppressed')", name="messages_state_known"),
    CheckConstraint("(state = 'sending') <= (batch IS NOT NULL)", name="messages_batch_known"),
    UniqueConstraint("campaign_id", "customer_id"),
    Index("messages_due", "due_at", "message_id", postgresql_where=text("state = 'waiting'")),
    Index("messages_sending", "batch", postgresql_where=text("state = 'sending'")),
    info=OWNED,
)

# Coupons.

Table(
    "coupons",
    metadata,
    Column("coupon_id", UUID(), primary_key=True),
    Column("campaign_id", UUID(), ForeignKey("campaigns.campaign_id"), nullable=False),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("code", Text, nullable=False, unique=True),
    Column("uses", Integer, nullable=False, server_default="0"),
    Column("uses_max", Integer, nullable=False),
    Column("issued_at", UTC_TIME, nullable=False),
    Column("withdrawn_at", UTC_TIME),
    CheckConstraint("uses BETWEEN 0 AND uses_max", name="coupons_uses_capped"),
    UniqueConstraint("campaign_id", "customer_id"),
    info=OWNED,
)
Table(
    "campaign_caps",
    metadata,
    Column("campaign_id", UUID(), ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("uses", BigInteger, nullable=False, server_default="0"),
    Column("uses_max", BigInteger, comment="null: no limit"),
    Column("discount_minor", BigInteger, nullable=False, server_default="0"),
    Column("discount_max_minor", BigInteger, comment="null: no limit"),
    CheckConstraint("uses >= 0 AND (uses_max IS NULL OR uses <= uses_max)", name="campaign_caps_uses_capped"),
    CheckConstraint(
        "discount_minor >= 0 AND (discount_max_minor IS NULL OR discount_minor <= discount_max_minor)",
        name="campaign_caps_discount_capped",
    ),
    info=OWNED,
)
Table(
    "customer_uses",
    metadata,
    Column("campaign_id", UUID(), ForeignKey("campaigns.campaign_id"), primary_key=True),
    Column("customer_id", UUID(), primary_key=True),
    Column("uses", Integer, nullable=False),
    Column("uses_max", Integer, nullable=False),
    CheckConstraint("uses BETWEEN 0 AND uses_max", name="customer_uses_capped"),
    info=OWNED,
)
Table(
    "redemptions",
    metadata,
    Column("redemption_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("store_id", Text, nullable=False),
    Column("receipt_key", JSONB),
    Column("currency", Text, nullable=False),
    Column("total_minor", BigInteger, nullable=False, comment="the basket before coupons"),
    Column("discount_minor", BigInteger, nullable=False),
    Column("redeemed_at", UTC_TIME, nullable=False),
    Column("redeemed_by", Text, nullable=False),
    CheckConstraint("discount_minor BETWEEN 0 AND total_minor", name="redemptions_discount_within_total"),
    info=OWNED,
)
Table(
    "redemption_items",
    metadata,
    Column("redemption_id", UUID(), ForeignKey("redemptions.redemption_id"), primary_key=True),
    Column("coupon_id", UUID(), ForeignKey("coupons.coupon_id"), primary_key=True),
    Column("campaign_id", UUID(), nullable=False, index=True),
    Column("customer_id", UUID(), nullable=False, comment="whose uses were counted"),
    Column("discount_minor", BigInteger, nullable=False),
    CheckConstraint("discount_minor > 0", name="redemption_items_discount_positive"),
    Index("redemption_items_coupon_id", "coupon_id"),
    info=OWNED,
)
Table(
    "rollbacks",
    metadata,
    Column("redemption_id", UUID(), ForeignKey("redemptions.redemption_id"), primary_key=True),
    Column("reason", Text),
    Column("rolled_back_at", UTC_TIME, nullable=False),
    Column("rolled_back_by", Text, nullable=False),
    info=OWNED,
)

# Points.

Table(
    "points_accounts",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("active", BigInteger, nullable=False, server_default="0"),
    Column("debt", BigInteger, nullable=False, server_default="0"),
    Column("spent", BigInteger, nullable=False, server_default="0"),
    Column("expired", BigInteger, nullable=False, server_default="0"),
    CheckConstraint("active >= 0", name="points_accounts_active_positive"),
    CheckConstraint("debt >= 0", name="points_accounts_debt_positive"),
    CheckConstraint("spent >= 0 AND expired >= 0", name="points_accounts_gone_positive"),
    CheckConstraint("active = 0 OR debt = 0", name="points_accounts_debt_paid_first"),
    info=OWNED,
)
Table(
    "points_lots",
    metadata,
    Column("lot_id", UUID(), primary_key=True, comment="the sale's receipt, or the request that gave the points"),
    Column("subject_id", UUID(), ForeignKey("points_accounts.subject_id"), nullable=False),
    Column("earned", BigInteger, nullable=False),
    Column("taken_back", BigInteger, nullable=False),
    Column("remaining", BigInteger, nullable=False),
    Column("expired", BigInteger, nullable=False),
    Column(
        "unit_minor",
        BigInteger,
        nullable=False,
        comment="net spend per point when it was made, minor units; 0: given by hand",
    ),
    Column("earned_at", UTC_TIME, nullable=False),
    Column("expires_at", UTC_TIME, nullable=False),
    CheckConstraint("earned >= 0", name="points_lots_earned_positive"),
    CheckConstraint("remaining >= 0 AND expired >= 0", name="points_lots_left_positive"),
    Index("points_lots_open", "subject_id", "expires_at", postgresql_where=text("remaining > 0")),
    Index("points_lots_expiring", "expires_at", postgresql_where=text("remaining > 0")),
    Index("points_lots_subject_id_earned_at", "subject_id", "earned_at"),
    info=OWNED,
)
Table(
    "ledger_lines",
    metadata,
    Column("posting_id", UUID(), nullable=False, index=True),
    Column("source", Text, primary_key=True, comment="receipt, lot, request or transfer"),
    Column("source_id", Text, primary_key=True),
    Column("line", SmallInteger, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("account", Text, nullable=False),
    Column("subject_id", UUID(), nullable=False, index=True),
    Column("points", BigInteger, nullable=False),
    Column("posted_at", UTC_TIME, nullable=False),
    CheckConstraint("points <> 0", name="ledger_lines_move_points"),
    CheckConstraint(
        "account IN ('member.active', 'member.debt', 'programme.issued', 'programme.redeemed',"
        " 'programme.expired', 'programme.adjusted')",
        name="ledger_lines_account_known",
    ),
    CheckConstraint(
        "kind IN ('earned', 'taken_back', 'spent', 'expired', 'adjusted', 'transferred')",
        name="ledger_lines_kind_known",
    ),
    info=OWNED,
)
Table(
    "points_borrowed",
    metadata,
    Column("request_id", UUID(), primary_key=True, comment="what they were taken for"),
    Column("lot_id", UUID(), primary_key=True),
    Column("subject_id", UUID(), nullable=False, index=True, comment="whose they were"),
    Column("borrower_id", UUID(), nullable=False, index=True, comment="whom the request named"),
    Column("points", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("borrowed_at", UTC_TIME, nullable=False),
    CheckConstraint("points > 0", name="points_borrowed_positive"),
    CheckConstraint("subject_id <> borrower_id", name="points_borrowed_of_another"),
    CheckConstraint("kind IN ('spent', 'adjusted')", name="points_borrowed_kind_known"),
    info=OWNED,
)
Table(
    "use_transfers",
    metadata,
    Column("redemption_id", UUID(), ForeignKey("redemptions.redemption_id"), primary_key=True),
    Column("coupon_id", UUID(), ForeignKey("coupons.coupon_id"), primary_key=True),
    Column("n", SmallInteger, primary_key=True, comment="the highest says whose use it counts as"),
    Column("from_id", UUID(), nullable=False),
    Column("to_id", UUID(), nullable=False),
    Column("transferred_at", UTC_TIME, nullable=False),
    CheckConstraint("from_id <> to_id", name="use_transfers_to_another"),
    info=OWNED,
)
