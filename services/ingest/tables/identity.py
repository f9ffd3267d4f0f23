"""Who belongs together, who says so, and what was decided about it."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, UUID

from services.ingest.tables.base import OWNED, metadata, moment

Table(
    "subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("namespace", Text, nullable=False),
    Column("blind_index", LargeBinary, nullable=False),
    Column("generation", Integer, nullable=False, server_default="0", comment="rises when it is re-issued"),
    Column("masked", Text, nullable=False, comment="as it may be shown"),
    moment("first_seen_at"),
    moment("last_seen_at", nullable=True),
    UniqueConstraint("blind_index", "namespace", "generation"),
    info=OWNED,
)
Table(
    "assignments",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("customer_id", UUID(), nullable=False, index=True),
    Column("version", BigInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("event_id", UUID(), nullable=False, comment="the event that was the reason"),
    CheckConstraint("version > 0", name="assignments_version_positive"),
    info=OWNED,
)
Table(
    "pending_links",
    metadata,
    Column("event_id", UUID(), primary_key=True, comment="linked when this event is numbered"),
    Column("subject_ids", ARRAY(UUID()), nullable=False, comment="one person's, says the event"),
    moment("occurred_at"),
    Column("cause", Text, nullable=False, server_default="seen_together"),
    info=OWNED,
)
Table(
    "links",
    metadata,
    Column("left_id", UUID(), primary_key=True),
    Column("right_id", UUID(), primary_key=True),
    Column("n", BigInteger, Identity(always=True), nullable=False, comment="the order in which they were said"),
    Column("event_id", UUID(), nullable=False, index=True, comment="the event that said so first"),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, comment="why it does not hold"),
    Column("rule_version", SmallInteger, nullable=False),
    moment("occurred_at"),
    Column("made_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    Column("changed_by", UUID(), comment="the event or decision of its present state, where another"),
    CheckConstraint("left_id < right_id", name="links_in_order"),
    CheckConstraint("state IN ('made', 'refused', 'held', 'cut')", name="links_state_known"),
    CheckConstraint("(state IN ('refused', 'held')) = (reason IS NOT NULL)", name="links_reason_given"),
    Index("links_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "apart",
    metadata,
    Column("left_id", UUID(), primary_key=True, comment="never one customer with the other until a person says so"),
    Column("right_id", UUID(), primary_key=True),
    Column("event_id", UUID(), nullable=False, comment="the decision"),
    CheckConstraint("left_id < right_id", name="apart_in_order"),
    Index("apart_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "decisions",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    Column("decision", Text, nullable=False),
    Column("subject_ids", ARRAY(UUID()), nullable=False),
    Column("about_event_id", UUID(), comment="the event whose link was wrong, or the receipt that is claimed"),
    Column("reason", Text),
    Column("actor", Text, nullable=False),
    moment("decided_at"),
    Column("outcome", Text, comment="null until it is numbered; then done, or why not"),
    Column("moved", Integer, nullable=False, server_default="0", comment="subjects that changed their customer"),
    Index("decisions_subject_ids_idx", "subject_ids", postgresql_using="gin"),
    Index("decisions_pending_idx", "event_id", postgresql_where=text("outcome IS NULL")),
    info=OWNED,
)
Table(
    "quarantine",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("event_id", UUID(), nullable=False, comment="the decision, or the event that was one too many"),
    moment("since"),
    CheckConstraint("state IN ('held', 'released')", name="quarantine_state_known"),
    Index("quarantine_queue_idx", "since", "subject_id", postgresql_where=text("state = 'held'")),
    info=OWNED,
)
Table(
    "claim_tries",
    metadata,
    Column("receipt_id", UUID(), primary_key=True, comment="the receipt's event"),
    Column("failed", Integer, nullable=False),
    moment("last_at"),
    info=OWNED,
)
Table(
    "relations",
    metadata,
    Column("left_id", UUID(), primary_key=True, comment="a subject of one customer"),
    Column("right_id", UUID(), primary_key=True, comment="a subject of another"),
    Column("kind", Text, primary_key=True),
    Column("actor", Text, nullable=False),
    Column("reason", Text),
    moment("since"),
    CheckConstraint("left_id <> right_id", name="relations_of_two"),
    Index("relations_right_id_idx", "right_id"),
    info=OWNED,
)
Table(
    "sightings",
    metadata,
    Column("subject_id", UUID(), primary_key=True, comment="the strongest identifier of receipts from tills"),
    Column("hour", DateTime(timezone=True), primary_key=True),
    Column("receipts", Integer, nullable=False),
    Column("tills", ARRAY(Text), nullable=False),
    CheckConstraint("receipts > 0", name="sightings_receipts_positive"),
    Index("sightings_hour_idx", "hour"),
    info=OWNED,
)
Table(
    "watch_positions",
    metadata,
    Column("partition", SmallInteger, primary_key=True, comment="of the log of receipts"),
    Column("last_seq", BigInteger, nullable=False, comment="looked at so far"),
    info=OWNED,
)
