"""Erasures: what was forgotten here, and the events of a subject found by its key."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "erased_subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("erased_subjects_pkey")),
        info={"class": "derived"},
    )
    op.create_table(
        "applied_erasures",
        sa.Column("erasure_id", sa.UUID(), nullable=False),
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column(
            "applied_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("erasure_id", "subject_id", name=op.f("applied_erasures_pkey")),
        info={"class": "owned"},
    )
    op.create_index("numbered_key", "numbered", ["key"], unique=False, postgresql_using="hash")
