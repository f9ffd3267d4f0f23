"""A receipt of an edited order names the one recorded in its place."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0006"
down_revision: str | None = "0005"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.add_column(
        "receipts",
        sa.Column(
            "replaced_by", sa.UUID(), nullable=True, comment="the receipt recorded in its place, of an edited order"
        ),
    )
