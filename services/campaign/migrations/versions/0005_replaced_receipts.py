"""Which receipt was recorded in the place of a voided one, of an order that was edited."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "voids",
        sa.Column(
            "replaced_by",
            sa.UUID(),
            nullable=True,
            comment="the receipt recorded in its place, of an order that was edited",
        ),
    )
    op.create_index(
        "voids_replaced_by",
        "voids",
        ["replaced_by"],
        unique=False,
        postgresql_where=sa.text("replaced_by IS NOT NULL"),
    )
