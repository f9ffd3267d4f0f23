"""Which receipt counts for an order that is edited, and guests' receipts that come before what they refer to."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "web_orders",
        sa.Column("key_digest", sa.LargeBinary(), nullable=False, comment="keyed hash of the order's key"),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the receipt that counts"),
        sa.Column(
            "content_digest",
            sa.LargeBinary(),
            nullable=True,
            comment="of what it says; null: taken back before its sale came",
        ),
        sa.Column("edited_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("version", sa.Text(), nullable=False, comment="empty for the first"),
        sa.Column("is_cancelled", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("key_digest", name=op.f("web_orders_pkey")),
    )
    op.create_table(
        "awaited_originals",
        sa.Column("original_id", sa.UUID(), nullable=False, comment="the event that has not come yet"),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the event that refers to it"),
        sa.Column(
            "subject_id", sa.UUID(), nullable=False, comment="the guest's subject that is to be the original's"
        ),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("original_id", "event_id", name=op.f("awaited_originals_pkey")),
    )
    op.create_index("awaited_originals_event_id_idx", "awaited_originals", ["event_id"])


def downgrade() -> None:
    op.drop_table("awaited_originals")
    op.drop_table("web_orders")
