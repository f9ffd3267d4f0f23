"""What was done with recommendations goes with the lists: it is found by time."""

from collections.abc import Sequence

from alembic import op

revision: str = "0013"
down_revision: str | None = "0011"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None


def upgrade() -> None:
    op.create_index("activity_by_time", "activity", ["occurred_at"], unique=False)
