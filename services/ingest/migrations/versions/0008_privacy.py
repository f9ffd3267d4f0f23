"""Erasures: who was forgotten, which identifiers are closed, and who has confirmed it."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0008"
down_revision: str | None = "0007"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "erasures",
        sa.Column("erasure_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column(
            "event_id", sa.UUID(), nullable=False, comment="executed when this event of the log gets its number"
        ),
        sa.Column(
            "only_subject_ids",
            sa.ARRAY(sa.UUID()),
            nullable=True,
            comment="from the ledger: exactly these; null: all of the customer",
        ),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("requested_by", sa.Text(), nullable=False),
        sa.Column("guardian", sa.Text(), nullable=True, comment="relation and proof, never a name"),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("executed_at", sa.DateTime(timezone=True), nullable=True, comment="numbered"),
        sa.Column("unreadable_at", sa.DateTime(timezone=True), nullable=True, comment="keys and sealed rows gone"),
        sa.Column("rewritten_at", sa.DateTime(timezone=True), nullable=True, comment="the archive names nobody"),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True, comment="by every service"),
        sa.Column("counts", postgresql.JSONB(), nullable=False, comment="rows by what was done to them"),
        sa.CheckConstraint(
            "requested_by IN ('customer', 'guardian', 'authority', 'retailer', 'ledger')",
            name="erasures_requested_by_known",
        ),
        sa.PrimaryKeyConstraint("erasure_id", name=op.f("erasures_pkey")),
        sa.UniqueConstraint("event_id", name=op.f("erasures_event_id_key")),
        info={"class": "owned"},
    )
    op.create_index(
        "erasures_open", "erasures", ["requested_at"], unique=False, postgresql_where=sa.text("confirmed_at IS NULL")
    )
    op.create_table(
        "erased_subjects",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("erasure_id", sa.UUID(), nullable=False),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True, comment="null: something is still to go"),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("erased_subjects_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("erased_subjects_erasure_id_idx"), "erased_subjects", ["erasure_id"], unique=False)
    op.create_index(
        "erased_subjects_unswept",
        "erased_subjects",
        ["subject_id"],
        unique=False,
        postgresql_where=sa.text("swept_at IS NULL"),
    )
    op.create_table(
        "closed_identifiers",
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False, comment="keyed hash of namespace and blind index"),
        sa.Column("generation", sa.Integer(), nullable=False, comment="the last one that was erased"),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("closed_identifiers_pkey")),
        sa.UniqueConstraint("digest", "generation", name=op.f("closed_identifiers_digest_key")),
        info={"class": "owned"},
    )
    op.create_table(
        "erasure_confirmations",
        sa.Column("erasure_id", sa.UUID(), nullable=False),
        sa.Column("service", sa.Text(), nullable=False),
        sa.Column("applied_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("erasure_id", "service", name=op.f("erasure_confirmations_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("scope", sa.Text(), nullable=False, comment="who asked, and which route"),
        sa.Column("key", sa.Text(), nullable=False, comment="the client's Idempotency-Key"),
        sa.Column("fingerprint", sa.Text(), nullable=False, comment="SHA-256 of the request's meaning, hex"),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False, comment="the answer's bytes as they were sent"),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status_check"),
        sa.PrimaryKeyConstraint("scope", "key", name=op.f("idempotency_keys_pkey")),
        info={"class": "owned"},
    )
    op.create_index("idempotency_keys_expires_at_idx", "idempotency_keys", ["expires_at"], unique=False)
    op.create_index("numbered_key", "numbered", ["key"], unique=False, postgresql_using="hash")
    op.create_table(
        "exports",
        sa.Column("export_id", sa.UUID(), nullable=False),
        sa.Column("customer_id", sa.UUID(), nullable=False),
        sa.Column("purpose", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("requested_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=True, comment="the document, under the customer's own key"),
        sa.CheckConstraint("(made_at IS NULL) = (sealed IS NULL)", name="exports_made"),
        sa.PrimaryKeyConstraint("export_id", name=op.f("exports_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("exports_customer_id_idx"), "exports", ["customer_id"], unique=False)
    op.create_index(
        "exports_waiting", "exports", ["requested_at"], unique=False, postgresql_where=sa.text("made_at IS NULL")
    )
    op.create_index("exports_expiring", "exports", ["expires_at"], unique=False)
    op.create_table(
        "retention_marks",
        sa.Column("topic", sa.Text(), nullable=False),
        sa.Column("partition", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False, comment="bodies up to this number have expired"),
        sa.PrimaryKeyConstraint("topic", "partition", name=op.f("retention_marks_pkey")),
        info={"class": "owned"},
    )
