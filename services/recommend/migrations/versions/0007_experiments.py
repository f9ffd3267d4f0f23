"""Experiments, what came of them, and what a shown list took part in."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "experiments",
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("about", sa.Text(), nullable=False),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("layer", sa.Text(), nullable=False),
        sa.Column("placements", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("share", sa.Double(), nullable=False),
        sa.Column("variants", postgresql.JSONB(), nullable=False),
        sa.Column("attribution_days", sa.SmallInteger(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "first_place", sa.Integer(), nullable=True, comment="of the layer's places, while it runs and after"
        ),
        sa.Column("end_place", sa.Integer(), nullable=True, comment="excluded"),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('draft', 'running', 'stopped')", name="experiments_state"),
        sa.CheckConstraint("method IN ('ab', 'interleaving')", name="experiments_method"),
        sa.CheckConstraint("share > 0 AND share <= 1", name="experiments_share"),
        sa.CheckConstraint(
            "state <> 'running' OR num_nulls(first_place, end_place, started_at) = 0", name="experiments_running"
        ),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("experiments_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "experiment_results",
        sa.Column("experiment_id", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False, comment="everything up to here is counted"),
        sa.Column(
            "people_cut",
            sa.Integer(),
            nullable=False,
            comment="people with more lists than are looked at",
        ),
        sa.Column("tallies", postgresql.JSONB(), nullable=False, comment="by variant: sums over people"),
        sa.ForeignKeyConstraint(["experiment_id"], ["experiments.experiment_id"], ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("experiment_id", name=op.f("experiment_results_pkey")),
        info={"class": "computed"},
    )
    for column in (
        sa.Column("experiment_id", sa.Text(), nullable=True),
        sa.Column("variant", sa.Text(), nullable=True),
        sa.Column(
            "unit", sa.Text(), nullable=True, comment="c: a customer or s: a session, as drawn into the variant"
        ),
        sa.Column(
            "teams",
            sa.ARRAY(sa.SmallInteger()),
            nullable=True,
            comment="of an interleaving: 0, 1, or -1 for nobody's, in the order shown",
        ),
        sa.Column(
            "took_ms",
            sa.REAL(),
            nullable=True,
            comment="from the question to the list, the customer's history read included",
        ),
        sa.Column(
            "shelf_age_s", sa.REAL(), nullable=True, comment="how old prices, stock and popularity in memory were"
        ),
    ):
        op.add_column("shown", column)
    op.create_index(
        "shown_by_unit",
        "shown",
        ["experiment_id", "unit"],
        unique=False,
        postgresql_where=sa.text("experiment_id IS NOT NULL"),
    )
