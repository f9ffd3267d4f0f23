"""What one subject of a customer gave or used for another, so that it can be put right when they are parted."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

_KINDS = "'earned', 'taken_back', 'spent', 'expired', 'adjusted'"


def upgrade() -> None:
    op.create_table(
        "points_borrowed",
        sa.Column("request_id", sa.UUID(), nullable=False, comment="what they were taken for"),
        sa.Column("lot_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False, comment="whose they were"),
        sa.Column("borrower_id", sa.UUID(), nullable=False, comment="whom the request named"),
        sa.Column("points", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("borrowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("points > 0", name="points_borrowed_positive"),
        sa.CheckConstraint("subject_id <> borrower_id", name="points_borrowed_of_another"),
        sa.CheckConstraint("kind IN ('spent', 'adjusted')", name="points_borrowed_kind_known"),
        sa.PrimaryKeyConstraint("request_id", "lot_id", name=op.f("points_borrowed_pkey")),
    )
    op.create_index(op.f("points_borrowed_subject_id"), "points_borrowed", ["subject_id"])
    op.create_index(op.f("points_borrowed_borrower_id"), "points_borrowed", ["borrower_id"])
    op.create_table(
        "use_transfers",
        sa.Column("redemption_id", sa.UUID(), nullable=False),
        sa.Column("coupon_id", sa.UUID(), nullable=False),
        sa.Column("n", sa.SmallInteger(), nullable=False, comment="the highest says whose use it counts as"),
        sa.Column("from_id", sa.UUID(), nullable=False),
        sa.Column("to_id", sa.UUID(), nullable=False),
        sa.Column("transferred_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("from_id <> to_id", name="use_transfers_to_another"),
        sa.ForeignKeyConstraint(
            ["redemption_id"], ["redemptions.redemption_id"], name=op.f("use_transfers_redemption_id_fkey")
        ),
        sa.ForeignKeyConstraint(["coupon_id"], ["coupons.coupon_id"], name=op.f("use_transfers_coupon_id_fkey")),
        sa.PrimaryKeyConstraint("redemption_id", "coupon_id", "n", name=op.f("use_transfers_pkey")),
    )
    _know_kinds(f"{_KINDS}, 'transferred'")
    op.alter_column("ledger_lines", "source", comment="receipt, lot, request or transfer")


def downgrade() -> None:
    op.alter_column("ledger_lines", "source", comment="receipt, lot or request")
    _know_kinds(_KINDS)
    op.drop_table("use_transfers")
    op.drop_table("points_borrowed")


def _know_kinds(kinds: str) -> None:
    op.drop_constraint("ledger_lines_kind_known", "ledger_lines", type_="check")
    op.create_check_constraint("ledger_lines_kind_known", "ledger_lines", f"kind IN ({kinds})")
