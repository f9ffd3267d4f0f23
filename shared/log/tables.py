"""The tables of the numbered log, declared into a producing service's own metadata.

`events` is the archive; `unnumbered` says which of it still waits for a number; `numbered` is insert-only; and
`watermarks` says how far the broker has acknowledged each partition.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)
from sqlalchemy.dialects.postgresql import UUID

OWNED = {"class": "owned"}


def declare_log(metadata: MetaData) -> None:
    """Add the log's tables, and the leases that its leader needs."""
    declare_leases(metadata)
    Table(
        "events",
        metadata,
        Column("event_id", UUID(), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False, comment="the subject, product or store id; opaque"),
        Column("type", Text, nullable=False),
        Column("version", SmallInteger, nullable=False),
        Column("body", LargeBinary, nullable=False, comment="the envelope, as it is published"),
        Column("traceparent", Text),
        Column("stored_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
        info=OWNED,
    )
    Table(
        "unnumbered",
        metadata,
        Column("lane", SmallInteger, primary_key=True, server_default="0", comment="0: live; 1: backlog, behind it"),
        Column("arrival", BigInteger, Identity(always=True), primary_key=True),
        Column("event_id", UUID(), nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        info=OWNED,
    )
    Table(
        "numbered",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True),
        Column("seq", BigInteger, primary_key=True, comment="1, 2, 3 … without a gap"),
        Column("event_id", UUID(), nullable=False),
        Column("prev_event_id", UUID(), comment="the event before it in its partition; null for the first"),
        Column("key", Text, nullable=False),
        UniqueConstraint("event_id"),
        CheckConstraint("seq > 0", name="numbered_seq_positive"),
        CheckConstraint("(seq = 1) = (prev_event_id IS NULL)", name="numbered_prev_named"),
        # Finds the events of an erased subject; a hash of the key is a fifth of the key's size.
        Index("numbered_key", "key", postgresql_using="hash"),
        info=OWNED,
    )
    Table(
        "watermarks",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True),
        Column("published_seq", BigInteger, nullable=False),
        info=OWNED,
    )
    Table(
        "log_origin",
        metadata,
        Column("service", Text, primary_key=True),
        Column("incarnation", SmallInteger, nullable=False, comment="rises when the log is restored or promoted"),
        info=OWNED,
    )


def declare_retention(metadata: MetaData) -> None:
    """Add what a service needs whose log keeps some bodies for a time only: how far they have gone."""
    Table(
        "retention_marks",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("partition", SmallInteger, primary_key=True),
        Column("seq", BigInteger, nullable=False, comment="bodies up to this number have expired"),
        info=OWNED,
    )


def declare_hook_failures(metadata: MetaData) -> None:
    """Add what a service needs that does something while numbering: events numbered without it, to be made up for."""
    Table(
        "hook_failures",
        metadata,
        Column("event_id", UUID(), primary_key=True),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("reason", Text, nullable=False),
        info=OWNED,
    )


def declare_leases(metadata: MetaData) -> None:
    """Add the table of `shared.leases`; several parts of one service may ask for it."""
    if "leases" in metadata.tables:
        return
    Table(
        "leases",
        metadata,
        Column("name", Text, primary_key=True),
        Column("holder", Text, nullable=False),
        Column("generation", BigInteger, nullable=False),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        info=OWNED,
    )
