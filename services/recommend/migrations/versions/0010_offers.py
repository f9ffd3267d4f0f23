"""Coupons that campaign issued, and their redemptions."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "coupons",
        sa.Column("coupon_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("campaign_id", sa.Text(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True, comment="excluded"),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "offer",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=True,
            comment="what it takes off; null where it was not said",
        ),
        sa.PrimaryKeyConstraint("coupon_id", name=op.f("coupons_pkey")),
        info={"class": "derived"},
    )
    op.create_index("coupons_by_customer", "coupons", ["customer_id"], unique=False)
    op.create_index("coupons_by_time", "coupons", ["issued_at"], unique=False)
    op.create_table(
        "redemptions",
        sa.Column("redemption_id", sa.UUID(), nullable=False),
        sa.Column("coupon_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("store_id", sa.Text(), nullable=True),
        sa.Column("discount_minor", sa.BigInteger(), nullable=False),
        sa.Column("currency", sa.Text(), nullable=False),
        sa.Column("redeemed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("discount_minor >= 0", name="redemptions_amount"),
        sa.CheckConstraint("state IN ('redeemed', 'rolled_back')", name="redemptions_state"),
        sa.PrimaryKeyConstraint("redemption_id", "coupon_id", name=op.f("redemptions_pkey")),
        info={"class": "derived"},
    )
    op.create_index("redemptions_by_coupon", "redemptions", ["coupon_id"], unique=False)
    op.create_index("redemptions_by_customer", "redemptions", ["customer_id"], unique=False)
    op.create_index("redemptions_by_time", "redemptions", ["redeemed_at"], unique=False)
