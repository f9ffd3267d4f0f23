"""The table of answers already given, added to the metadata of each service that keeps one."""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
)


def idempotency_table(metadata: MetaData) -> Table:
    """Declare `idempotency_keys`; owned, since a rebuild must not forget what money already moved."""
    return Table(
        "idempotency_keys",
        metadata,
        Column("scope", Text, primary_key=True, comment="who asked, and which route"),
        Column("key", Text, primary_key=True, comment="the client's Idempotency-Key"),
        Column("fingerprint", Text, nullable=False, comment="SHA-256 of the request's meaning, hex"),
        Column("status", SmallInteger, nullable=False),
        Column("body", LargeBinary, nullable=False, comment="the answer's bytes as they were sent"),
        Column("expires_at", DateTime(timezone=True), nullable=False),
        CheckConstraint("status BETWEEN 200 AND 499", name="idempotency_keys_status_check"),
        Index("idempotency_keys_expires_at_idx", "expires_at"),
        info={"class": "owned"},
    )
