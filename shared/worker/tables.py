"""The tables of the consuming loop, declared into a consuming service's own metadata."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import UUID

from shared.log.tables import declare_leases

DERIVED = {"class": "derived"}
OWNED = {"class": "owned"}


def declare_worker(metadata: MetaData) -> None:
    """Add positions, members, dead letters and schedule, and the leases that they need."""
    declare_leases(metadata)
    Table(
        "positions",
        metadata,
        Column("origin", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True),
        Column("last_seq", BigInteger, nullable=False, server_default="0"),
        Column("last_event_id", UUID()),
        Column("next_offset", BigInteger, nullable=False, server_default="0", comment="a hint, never a proof"),
        Column("dead_in_a_row", Integer, nullable=False, server_default="0"),
        Column("braked_version", Text, comment="the code that met too many dead letters; other code goes on"),
        Column("forked_reason", Text, comment="why this origin's history no longer fits; stops the partition"),
        CheckConstraint("(last_seq = 0) = (last_event_id IS NULL)", name="positions_event_named"),
        info=DERIVED,
    )
    Table(
        "worker_members",
        metadata,
        Column("holder", Text, primary_key=True),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        info=OWNED,
    )
    Table(
        "dead_letters",
        metadata,
        Column("origin", Text, primary_key=True),
        Column("topic", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True),
        Column("seq", BigInteger, primary_key=True),
        Column("event_id", UUID(), nullable=False),
        Column("type", Text, nullable=False),
        Column("reason", Text, nullable=False),
        Column("body", LargeBinary, nullable=False),
        Column("code_version", Text, nullable=False),
        Column("dead_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        Column("replayed_at", DateTime(timezone=True)),
        Index("dead_letters_waiting", "dead_at", postgresql_where=text("replayed_at IS NULL")),
        info=DERIVED,
    )
    declare_schedule(metadata)


def declare_schedule(metadata: MetaData) -> None:
    """Add what recurring work needs; several parts of one service may ask for it."""
    if "schedule_runs" in metadata.tables:
        return
    declare_leases(metadata)
    Table(
        "schedule_runs",
        metadata,
        Column("task", Text, primary_key=True),
        Column("started_at", DateTime(timezone=True), nullable=False),
        Column("finished_at", DateTime(timezone=True)),
        Column("failure", Text),
        info=OWNED,
    )
