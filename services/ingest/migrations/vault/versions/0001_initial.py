"""One wrapped key per subject."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

revision: str = "0001"
down_revision: str | None = None
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_table(
        "subject_keys",
        sa.Column("key_id", sa.UUID(), nullable=False, comment="a subject, or a month of guests"),
        sa.Column(
            "wrapped", sa.LargeBinary(), nullable=False, comment="its AES key, sealed under the deployment key"
        ),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("version", sa.SmallInteger(), server_default="1", nullable=False, comment="of the wrapping key"),
        sa.PrimaryKeyConstraint("key_id", name=op.f("subject_keys_pkey")),
        info={"class": "owned"},
    )


def downgrade() -> None:
    op.drop_table("subject_keys")
