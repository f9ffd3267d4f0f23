"""Who is in which segment, and what members buy."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0011"
down_revision: str | None = "0010"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
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
        "segment_sales",
        sa.Column("segment_id", sa.Text(), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("purchases", sa.BigInteger(), nullable=False, comment="receipts of members that hold the product"),
        sa.CheckConstraint("purchases > 0", name="segment_sales_purchases"),
        sa.PrimaryKeyConstraint("segment_id", "product_id", name=op.f("segment_sales_pkey")),
        info={"class": "computed"},
    )
