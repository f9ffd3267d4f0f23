"""Rules and settings of placements with their history, what was explored, and when products were first heard of."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0009"
down_revision: str | None = "0008"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    _rules()
    _changes()
    _explored()
    op.add_column("products", sa.Column("launched_on", sa.Date(), nullable=True))
    op.add_column(
        "products",
        sa.Column(
            "first_seen_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="first heard of, whatever was said last",
        ),
    )
    # The earliest that is known without a rebuild: what was said last.
    op.execute("UPDATE products SET first_seen_at = occurred_at")


def _rules() -> None:
    op.create_table(
        "rules",
        sa.Column("rule_id", sa.UUID(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column(
            "definition",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="all of it but id and state",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('draft', 'active', 'off')", name="rules_state"),
        sa.PrimaryKeyConstraint("rule_id", name=op.f("rules_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "placement_settings",
        sa.Column("placement", sa.Text(), nullable=False),
        sa.Column("settings", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("placement", name=op.f("placement_settings_pkey")),
        info={"class": "owned"},
    )


def _changes() -> None:
    op.create_table(
        "policy_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("thing", sa.Text(), nullable=False),
        sa.Column("thing_id", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False, comment="as the API key names it"),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("before", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("after", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.CheckConstraint("thing IN ('rule', 'placement')", name="policy_changes_thing"),
        sa.CheckConstraint("action IN ('created', 'changed', 'deleted')", name="policy_changes_action"),
        sa.CheckConstraint("num_nonnulls(before, after) > 0", name="policy_changes_something"),
        sa.PrimaryKeyConstraint("change_id", name=op.f("policy_changes_pkey")),
        info={"class": "owned"},
    )
    op.create_index("policy_changes_by_thing", "policy_changes", ["thing", "thing_id", "change_id"], unique=False)


def _explored() -> None:
    op.create_table(
        "explored",
        sa.Column("request_id", sa.UUID(), nullable=False),
        sa.Column("shown_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column(
            "propensity",
            sa.Double(),
            nullable=False,
            comment="with which this product was drawn for this list",
        ),
        sa.CheckConstraint("propensity > 0 AND propensity <= 1", name="explored_propensity"),
        sa.PrimaryKeyConstraint("request_id", name=op.f("explored_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("explored_shown_at"), "explored", ["shown_at"], unique=False)
