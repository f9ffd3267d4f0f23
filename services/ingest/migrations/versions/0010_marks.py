"""Blind marks of given names and birthdays, and which links rest on them."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0010"
down_revision: str | None = "0009"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "marks",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("given", sa.LargeBinary(), nullable=False, comment="keyed hash of the given name; empty: not told"),
        sa.Column("born", sa.LargeBinary(), nullable=False, comment="keyed hash of the birthday; empty: not told"),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the event that said so first"),
        sa.CheckConstraint("length(given) + length(born) > 0", name="marks_of_something"),
        sa.PrimaryKeyConstraint("subject_id", "given", "born", name=op.f("marks_pkey")),
    )
    op.add_column(
        "pending_links",
        sa.Column(
            "given_mark",
            sa.LargeBinary(),
            nullable=True,
            comment="of the name that the event tells; empty: it tells none",
        ),
    )
    op.add_column("pending_links", sa.Column("born_mark", sa.LargeBinary(), nullable=True))
    op.create_check_constraint(
        "pending_links_marks_together", "pending_links", "(given_mark IS NULL) = (born_mark IS NULL)"
    )
    op.add_column(
        "links",
        sa.Column(
            "by_names",
            sa.Boolean(),
            nullable=False,
            server_default="false",
            comment="holds only since names agree",
        ),
    )


def downgrade() -> None:
    op.drop_column("links", "by_names")
    op.drop_column("pending_links", "born_mark")
    op.drop_column("pending_links", "given_mark")
    op.drop_table("marks")
