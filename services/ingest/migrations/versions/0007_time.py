"""Which numbers of a terminal came; and two lanes in the queue for a number: now, and long ago."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    # Days from before start with nothing known: no gap is told of them until something more comes.
    op.add_column(
        "terminal_epochs",
        sa.Column(
            "received",
            postgresql.INT8MULTIRANGE(),
            server_default="{}",
            nullable=False,
            comment="the numbers that came",
        ),
    )
    op.create_index("terminal_epochs_by_day", "terminal_epochs", ["business_date", "store_id", "terminal_id"])
    # The queue is short and its rows are gone within a second: the new key is made in no time.
    op.add_column(
        "unnumbered",
        sa.Column(
            "lane",
            sa.SmallInteger(),
            server_default="0",
            nullable=False,
            comment="0: live; 1: backlog, behind it",
        ),
    )
    op.drop_constraint("unnumbered_pkey", "unnumbered", type_="primary")
    op.create_primary_key("unnumbered_pkey", "unnumbered", ["lane", "arrival"])
