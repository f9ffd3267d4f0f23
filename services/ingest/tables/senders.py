"""Who sends: sources, their keys, plans and figures; rules of quality; webhooks of other systems."""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKeyConstraint,
    Integer,
    LargeBinary,
    Table,
    Text,
    func,
)
from sqlalchemy.dialects.postgresql import JSONB

from services.ingest.tables.base import OWNED, metadata, moment

Table(
    "sources",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False, server_default=""),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    moment("disabled_at", nullable=True),
    Column("events_per_second", Integer, comment="null: no limit"),
    Column("burst", Integer),
    Column("bot_filter", Text, nullable=False, server_default="off"),
    CheckConstraint("kind IN ('pos', 'server', 'import', 'web', 'app')", name="sources_kind_known"),
    CheckConstraint("bot_filter IN ('off', 'flag', 'drop')", name="sources_bot_filter_known"),
    CheckConstraint(
        "(events_per_second IS NULL) = (burst IS NULL) AND events_per_second > 0 AND burst > 0",
        name="sources_limit_whole",
    ),
    info=OWNED,
)
Table(
    "source_keys",
    metadata,
    Column("key_digest", Text, primary_key=True, comment="SHA-256 of the write key, hex"),
    Column("source_id", Text, nullable=False, index=True),
    Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp()),
    moment("ends_at", nullable=True),
    ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="source_keys_source_id_fkey"),
    info=OWNED,
)
Table(
    "tracking_plans",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("version", BigInteger, nullable=False, comment="rises with every change"),
    Column("plan", JSONB, nullable=False),
    moment("changed_at"),
    Column("changed_by", Text, nullable=False),
    ForeignKeyConstraint(["source_id"], ["sources.source_id"], name="tracking_plans_source_id_fkey"),
    info=OWNED,
)
Table(
    "plan_violations",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("event", Text, primary_key=True),
    Column("rule", Text, primary_key=True, comment="the keyword of JSON Schema, or unplanned"),
    Column("path", Text, primary_key=True),
    Column("message", Text, nullable=False),
    Column("times", BigInteger, nullable=False),
    moment("first_at"),
    moment("last_at"),
    Column("sample", JSONB, nullable=False, comment="types in place of values"),
    info=OWNED,
)
Table(
    "source_figures",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("day", Date, primary_key=True, comment="of reception, in the chain's zone"),
    *(
        Column(name, BigInteger, nullable=False, server_default="0")
        for name in (
            *("accepted", "repeated", "conflicts", "refused", "dropped", "bots", "violations", "corrected"),
            *("late", "limited"),
        )
    ),
    moment("last_seen_at"),
    info=OWNED,
)
Table(
    "quality_figures",
    metadata,
    Column("rule", Text, primary_key=True),
    Column("source_id", Text, primary_key=True),
    Column("times", BigInteger, nullable=False),
    moment("last_at"),
    info=OWNED,
)
Table(
    "product_codes",
    metadata,
    Column("code", Text, primary_key=True, comment="a GTIN in 14 digits"),
    Column("product_id", Text, nullable=False),
    moment("as_of_at"),
    info=OWNED,
)
Table(
    "webhooks",
    metadata,
    Column("source_id", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="the secret that it signs with"),
    Column("sealed_before", LargeBinary, comment="the one before, while it is changed"),
    moment("changed_at"),
    info=OWNED,
)
Table(
    "limit_buckets",
    metadata,
    Column("source_id", Text, primary_key=True, comment="a source, or an API key"),
    Column("events_left", Double, nullable=False, comment="below 0 after a batch larger than the burst"),
    moment("filled_at"),
    # After a crash every bucket is full again; so no write of it waits for the disk, or for a standby.
    prefixes=["UNLOGGED"],
    info=OWNED,
)
