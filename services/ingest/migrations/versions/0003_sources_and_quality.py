"""Sources with several keys, limits, plans and figures; what was done about refusals; rules of quality."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0003"
down_revision: str | None = "0002"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

FIGURES = (
    *("accepted", "repeated", "conflicts", "refused", "dropped", "bots", "violations", "corrected"),
    *("late", "limited"),
)


def upgrade() -> None:
    _change_sources()
    _change_refusals()
    _add_plans()
    _add_figures()


def _change_sources() -> None:
    op.add_column("sources", sa.Column("events_per_second", sa.Integer(), nullable=True, comment="null: no limit"))
    op.add_column("sources", sa.Column("burst", sa.Integer(), nullable=True))
    op.add_column("sources", sa.Column("bot_filter", sa.Text(), server_default="off", nullable=False))
    op.create_check_constraint("sources_bot_filter_known", "sources", "bot_filter IN ('off', 'flag', 'drop')")
    op.create_check_constraint(
        "sources_limit_whole",
        "sources",
        "(events_per_second IS NULL) = (burst IS NULL) AND events_per_second > 0 AND burst > 0",
    )
    op.create_table(
        "source_keys",
        sa.Column("key_digest", sa.Text(), nullable=False, comment="SHA-256 of the write key, hex"),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="source_keys_source_id_fkey"),
        sa.PrimaryKeyConstraint("key_digest", name=op.f("source_keys_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("source_keys_source_id_idx"), "source_keys", ["source_id"], unique=False)
    op.execute(
        "INSERT INTO source_keys (key_digest, source_id, created_at)"
        " SELECT key_digest, source_id, created_at FROM sources"
    )
    op.drop_column("sources", "key_digest")


def _change_refusals() -> None:
    for column in (
        sa.Column(
            "source_kind",
            sa.Text(),
            server_default="server",
            nullable=False,
            comment="what it may say when replayed",
        ),
        sa.Column(
            "store_ids",
            postgresql.ARRAY(sa.Text()),
            nullable=True,
            comment="the stores that its source spoke for; null: all",
        ),
        sa.Column("resolution", sa.Text(), nullable=True, comment="what was done about it; null: nothing yet"),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("resolution_note", sa.Text(), nullable=True),
        sa.Column("resolved_event_id", sa.UUID(), nullable=True, comment="what was accepted in its place"),
    ):
        op.add_column("refusals", column)
    op.create_check_constraint(
        "refusals_resolution_known", "refusals", "resolution IN ('corrected', 'replayed', 'new_epoch', 'discarded')"
    )
    op.create_check_constraint(
        "refusals_resolved_at_when", "refusals", "(resolution IS NULL) = (resolved_at IS NULL)"
    )
    op.create_index("refusals_source_id_idx", "refusals", ["source_id", "received_at", "refusal_id"], unique=False)
    op.create_index("refusals_code_idx", "refusals", ["code", "received_at", "refusal_id"], unique=False)
    op.add_column(
        "reveals", sa.Column("refusal_id", sa.UUID(), nullable=True, comment="the refused input that was opened")
    )


def _add_plans() -> None:
    op.create_table(
        "tracking_plans",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("version", sa.BigInteger(), nullable=False, comment="rises with every change"),
        sa.Column("plan", postgresql.JSONB(), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="tracking_plans_source_id_fkey"),
        sa.PrimaryKeyConstraint("source_id", name=op.f("tracking_plans_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "plan_violations",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("event", sa.Text(), nullable=False),
        sa.Column("rule", sa.Text(), nullable=False, comment="the keyword of JSON Schema, or unplanned"),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sample", postgresql.JSONB(), nullable=False, comment="types in place of values"),
        sa.PrimaryKeyConstraint("source_id", "event", "rule", "path", name=op.f("plan_violations_pkey")),
        info={"class": "owned"},
    )


def _add_figures() -> None:
    op.create_table(
        "source_figures",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("day", sa.Date(), nullable=False, comment="of reception, in the chain's zone"),
        *(sa.Column(name, sa.BigInteger(), server_default="0", nullable=False) for name in FIGURES),
        sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "day", name=op.f("source_figures_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "quality_figures",
        sa.Column("rule", sa.Text(), nullable=False),
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("times", sa.BigInteger(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("rule", "source_id", name=op.f("quality_figures_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "product_codes",
        sa.Column("code", sa.Text(), nullable=False, comment="a GTIN in 14 digits"),
        sa.Column("product_id", sa.Text(), nullable=False),
        sa.Column("as_of_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("code", name=op.f("product_codes_pkey")),
        info={"class": "owned"},
    )
