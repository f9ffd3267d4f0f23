"""Links as edges, decisions about them, quarantine, claims and relations."""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0005"
down_revision: str | None = "0004"
branch_labels: str | Sequence[str] | None = None
depends_on: str | Sequence[str] | None = None

# What was linked until now: each subject with the one that names its customer.
LINKS_SO_FAR = """
    INSERT INTO links (left_id, right_id, event_id, cause, state, rule_version, occurred_at)
    SELECT least(subject_id, customer_id), greatest(subject_id, customer_id), event_id, 'seen_together', 'made', 1,
        coalesce((SELECT stored_at FROM events WHERE events.event_id = assignments.event_id), clock_timestamp())
    FROM assignments WHERE subject_id <> customer_id ORDER BY 7, 1, 2
"""
REFUSED_SO_FAR = """
    INSERT INTO links (left_id, right_id, event_id, cause, state, reason, rule_version, occurred_at)
    SELECT least(subject_id, said.by), greatest(subject_id, said.by), event_id, 'seen_together', 'refused', reason, 1,
        stored_at
    FROM refused_links JOIN events USING (event_id)
    CROSS JOIN LATERAL (SELECT (convert_from(body, 'UTF8')::jsonb ->> 'subject_id')::uuid AS by) AS said
    WHERE said.by <> subject_id ORDER BY stored_at, 1, 2
    ON CONFLICT (left_id, right_id) DO NOTHING
"""


def upgrade() -> None:
    op.create_table(
        "apart",
        sa.Column(
            "left_id", sa.UUID(), nullable=False, comment="never one customer with the other until a person says so"
        ),
        sa.Column("right_id", sa.UUID(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the decision"),
        sa.CheckConstraint("left_id < right_id", name=op.f("apart_in_order")),
        sa.PrimaryKeyConstraint("left_id", "right_id", name=op.f("apart_pkey")),
        info={"class": "owned"},
    )
    op.create_index("apart_right_id_idx", "apart", ["right_id"], unique=False)
    op.create_table(
        "claim_tries",
        sa.Column("receipt_id", sa.UUID(), nullable=False, comment="the receipt's event"),
        sa.Column("failed", sa.Integer(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", name=op.f("claim_tries_pkey")),
        info={"class": "owned"},
    )
    op.create_table(
        "decisions",
        sa.Column("event_id", sa.UUID(), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("subject_ids", postgresql.ARRAY(sa.UUID()), nullable=False),
        sa.Column(
            "about_event_id",
            sa.UUID(),
            nullable=True,
            comment="the event whose link was wrong, or the receipt that is claimed",
        ),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=True, comment="null until it is numbered; then done, or why not"),
        sa.Column(
            "moved", sa.Integer(), server_default="0", nullable=False, comment="subjects that changed their customer"
        ),
        sa.PrimaryKeyConstraint("event_id", name=op.f("decisions_pkey")),
        info={"class": "owned"},
    )
    op.create_index(
        "decisions_pending_idx", "decisions", ["event_id"], unique=False, postgresql_where=sa.text("outcome IS NULL")
    )
    op.create_index("decisions_subject_ids_idx", "decisions", ["subject_ids"], unique=False, postgresql_using="gin")
    op.create_table(
        "links",
        sa.Column("left_id", sa.UUID(), nullable=False),
        sa.Column("right_id", sa.UUID(), nullable=False),
        sa.Column(
            "n",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="the order in which they were said",
        ),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the event that said so first"),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True, comment="why it does not hold"),
        sa.Column("rule_version", sa.SmallInteger(), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column(
            "changed_by",
            sa.UUID(),
            nullable=True,
            comment="the event or decision of its present state, where another",
        ),
        sa.CheckConstraint("(state IN ('refused', 'held')) = (reason IS NOT NULL)", name=op.f("links_reason_given")),
        sa.CheckConstraint("state IN ('made', 'refused', 'held', 'cut')", name=op.f("links_state_known")),
        sa.CheckConstraint("left_id < right_id", name=op.f("links_in_order")),
        sa.PrimaryKeyConstraint("left_id", "right_id", name=op.f("links_pkey")),
        info={"class": "owned"},
    )
    op.create_index(op.f("links_event_id_idx"), "links", ["event_id"], unique=False)
    op.create_index("links_right_id_idx", "links", ["right_id"], unique=False)
    op.create_table(
        "quarantine",
        sa.Column("subject_id", sa.UUID(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("event_id", sa.UUID(), nullable=False, comment="the decision, or the event that was one too many"),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("state IN ('held', 'released')", name=op.f("quarantine_state_known")),
        sa.PrimaryKeyConstraint("subject_id", name=op.f("quarantine_pkey")),
        info={"class": "owned"},
    )
    op.create_index(
        "quarantine_queue_idx",
        "quarantine",
        ["since", "subject_id"],
        unique=False,
        postgresql_where=sa.text("state = 'held'"),
    )
    op.create_table(
        "relations",
        sa.Column("left_id", sa.UUID(), nullable=False, comment="a subject of one customer"),
        sa.Column("right_id", sa.UUID(), nullable=False, comment="a subject of another"),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("left_id <> right_id", name=op.f("relations_of_two")),
        sa.PrimaryKeyConstraint("left_id", "right_id", "kind", name=op.f("relations_pkey")),
        info={"class": "owned"},
    )
    op.create_index("relations_right_id_idx", "relations", ["right_id"], unique=False)
    op.create_table(
        "sightings",
        sa.Column("subject_id", sa.UUID(), nullable=False, comment="the strongest identifier of receipts from tills"),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("receipts", sa.Integer(), nullable=False),
        sa.Column("tills", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.CheckConstraint("receipts > 0", name=op.f("sightings_receipts_positive")),
        sa.PrimaryKeyConstraint("subject_id", "hour", name=op.f("sightings_pkey")),
        info={"class": "owned"},
    )
    op.create_index("sightings_hour_idx", "sightings", ["hour"], unique=False)
    op.create_table(
        "watch_positions",
        sa.Column("partition", sa.SmallInteger(), nullable=False, comment="of the log of receipts"),
        sa.Column("last_seq", sa.BigInteger(), nullable=False, comment="looked at so far"),
        sa.PrimaryKeyConstraint("partition", name=op.f("watch_positions_pkey")),
        info={"class": "owned"},
    )
    op.execute(LINKS_SO_FAR)
    op.execute(REFUSED_SO_FAR)
    op.drop_table("refused_links")
    op.add_column("pending_links", sa.Column("cause", sa.Text(), server_default="seen_together", nullable=False))
    op.add_column("subjects", sa.Column("last_seen_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    op.drop_table("watch_positions")
    op.drop_table("sightings")
    op.drop_column("subjects", "last_seen_at")
    op.drop_column("pending_links", "cause")
    op.create_table(
        "refused_links",
        sa.Column("event_id", sa.UUID(), autoincrement=False, nullable=False),
        sa.Column("subject_id", sa.UUID(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.TEXT(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("event_id", "subject_id", name=op.f("refused_links_pkey")),
    )
    op.drop_index("relations_right_id_idx", table_name="relations")
    op.drop_table("relations")
    op.drop_index("quarantine_queue_idx", table_name="quarantine", postgresql_where=sa.text("state = 'held'"))
    op.drop_table("quarantine")
    op.drop_index("links_right_id_idx", table_name="links")
    op.drop_index(op.f("links_event_id_idx"), table_name="links")
    op.drop_table("links")
    op.drop_index("decisions_subject_ids_idx", table_name="decisions", postgresql_using="gin")
    op.drop_index("decisions_pending_idx", table_name="decisions", postgresql_where=sa.text("outcome IS NULL"))
    op.drop_table("decisions")
    op.drop_table("claim_tries")
    op.drop_index("apart_right_id_idx", table_name="apart")
    op.drop_table("apart")
