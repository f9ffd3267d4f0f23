"""Whose lists may have changed, and receipts found by time."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "changed_subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column(
            "changed_in",
            sa.BigInteger(),
            nullable=False,
            comment="the last transaction that changed something of it",
        ),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False, comment="an hour later the row goes"),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("changed_subjects_pkey")),
        info={"class": "computed"},
    )
    op.create_index(op.f("changed_subjects_changed_in"), "changed_subjects", ["changed_in"], unique=False)
    # Of some pages a million receipts: made in one short reading of the table.
    op.create_index("receipts_by_time", "receipts", ["occurred_at"], unique=False, postgresql_using="brin")
