"""Files on their way in and their reports; secrets of other systems' webhooks; recurring work."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0004"
down_revision: str | None = "0003"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

STATES = "'uploading', 'waiting', 'queued', 'running', 'done', 'failed', 'cancelled', 'expired'"


def upgrade() -> None:
    make_schedule()
    make_imports()
    op.create_table(
        "import_chunks",
        sa.Column("import_id", sa.UUID(), nullable=False, comment="whose key in the vault opens it"),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="a piece of the file, encrypted"),
        sa.PrimaryKeyConstraint("import_id", "number", name=op.f("import_chunks_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "import_lines",
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("line", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("field", sa.Text(), nullable=True),
        sa.Column("column_name", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("import_id", "line", name=op.f("import_lines_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "webhooks",
        sa.Column("source_id", sa.Text(), nullable=False),
        sa.Column("provider", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False, comment="the secret that it signs with"),
        sa.Column("sealed_before", sa.LargeBinary(), nullable=True, comment="the one before, while it is changed"),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "provider", name=op.f("webhooks_pkey")),
        info={"class": "owned"},
    )


def make_schedule() -> None:
    op.create_table(
        "schedule_runs",
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("task", name=op.f("schedule_runs_pkey")),
        info={"class": "owned"},
    )


def make_imports() -> None:
    counts = ("records_done", "rows_read", "accepted", "repeated", "conflicts", "refused")
    op.create_table(
        "imports",
        sa.Column("import_id", sa.UUID(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False, comment="the file's"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, comment="the API key that uploaded it"),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column(
            "store_ids",
            sa.ARRAY(sa.Text()),
            nullable=True,
            comment="the stores that its key speaks for; null: every store",
        ),
        sa.Column("reading", postgresql.JSONB(), nullable=False, comment="how the file is read"),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="keyed hash of the file and of how it is read"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("rows_total", sa.BigInteger(), nullable=True),
        *(
            sa.Column(
                name,
                sa.BigInteger(),
                server_default="0",
                nullable=False,
                comment="the place to go on from" if name == "records_done" else None,
            )
            for name in counts
        ),
        sa.Column("failure_code", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.CheckConstraint(f"state IN ({STATES})", name="imports_state_known"),
        sa.PrimaryKeyConstraint("import_id", name=op.f("imports_pkey")),
        info={"class": "owned"},
    )
    op.create_index("imports_digest_idx", "imports", ["digest"])
    op.create_index("imports_created_at_idx", "imports", ["created_at", "import_id"])
    op.create_index(
        "imports_open_idx",
        "imports",
        ["state", "created_at"],
        postgresql_where=sa.text("state IN ('uploading', 'waiting', 'queued', 'running')"),
    )
