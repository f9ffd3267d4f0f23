"""The queue for a number has two lanes: what happens now, and behind it what happened long ago."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
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
