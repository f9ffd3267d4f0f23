"""How good the lists of each day were, trainings, and what versions in the shadow did."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "quality_days",
        sa.Column("day", sa.Date(), nullable=False, comment="in the chain's time zone"),
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("customer_group", sa.Text(), nullable=False),
        sa.Column("is_final", sa.Boolean(), nullable=False, comment="the last next basket can have come"),
        sa.Column("figures", postgresql.JSONB(), nullable=False),
        sa.PrimaryKeyConstraint("day", "placement", "customer_group", name=op.f("quality_days_pkey")),
        info={"class": "computed"},
    )
    op.create_table(
        "trainings",
        sa.Column("training_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("said", sa.Text(), nullable=False, comment="its last line"),
        sa.CheckConstraint("state IN ('running', 'done', 'kept_back', 'failed')", name="trainings_state"),
        sa.PrimaryKeyConstraint("training_id", name=op.f("trainings_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "shadows",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("share", sa.REAL(), nullable=False, comment="of the lists"),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("version", name=op.f("shadows_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "shadow_days",
        sa.Column("version", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("lists", sa.Integer(), nullable=False),
        sa.Column(
            "agreement", sa.Double(), nullable=False, comment="sum over lists of the share of products in both"
        ),
        sa.Column("took_ms", sa.Double(), nullable=False, comment="sum of processor time"),
        sa.Column("in_use_ms", sa.Double(), nullable=False, comment="the same of the version in use"),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("dropped", sa.Integer(), nullable=False, comment="lists left out because too many waited"),
        sa.PrimaryKeyConstraint("version", "day", name=op.f("shadow_days_pkey")),
        info={"class": "owned"},
    )
