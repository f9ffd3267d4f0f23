"""How good the lists of each day were."""

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
