"""Which numbers of a terminal came, how wrong its clock is, and two lanes in the queue for a number."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0005"
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
    op.create_table(
        "terminal_clocks",
        sa.Column("store_id", sa.Text(), nullable=False),
        sa.Column("terminal_id", sa.Text(), nullable=False),
        sa.Column(
            "exchanges",
            postgresql.ARRAY(sa.Integer()),
            nullable=False,
            comment="seconds that it was behind, the newest last",
        ),
        sa.Column("skew_minutes", sa.Integer(), nullable=False, comment="added to its time; above 0: it is behind"),
        sa.Column("is_settled", sa.Boolean(), nullable=False, comment="most of the exchanges agree"),
        sa.Column("is_implausible", sa.Boolean(), nullable=False),
        sa.Column("observed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("cardinality(exchanges) <= 15", name=op.f("terminal_clocks_exchanges_few")),
        sa.PrimaryKeyConstraint("store_id", "terminal_id", name=op.f("terminal_clocks_pkey")),
        info={"class": "owned"},
    )
