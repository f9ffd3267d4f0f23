"""Files on their way in."""

from sqlalchemy import BigInteger, CheckConstraint, Column, Index, Integer, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from services.ingest.tables.base import OWNED, metadata, moment

Table(
    "imports",
    metadata,
    Column("import_id", UUID(), primary_key=True),
    Column("name", Text, nullable=False, comment="the file's"),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("key_id", Text, nullable=False, comment="the API key that uploaded it"),
    Column("actor", Text, nullable=False),
    Column("store_ids", ARRAY(Text), comment="the stores that its key speaks for; null: every store"),
    Column("reading", JSONB, nullable=False, comment="how the file is read"),
    Column("digest", LargeBinary, nullable=False, comment="keyed hash of the file and of how it is read"),
    Column("size_bytes", BigInteger, nullable=False),
    moment("created_at"),
    moment("started_at", nullable=True),
    moment("changed_at"),
    moment("ended_at", nullable=True),
    Column("rows_total", BigInteger),
    Column("records_done", BigInteger, nullable=False, server_default="0", comment="the place to go on from"),
    Column("rows_read", BigInteger, nullable=False, server_default="0"),
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("repeated", BigInteger, nullable=False, server_default="0"),
    Column("conflicts", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("failure_code", Text),
    Column("failure", Text),
    CheckConstraint(
        "state IN ('uploading', 'waiting', 'queued', 'running', 'done', 'failed', 'cancelled', 'expired')",
        name="imports_state_known",
    ),
    Index("imports_digest_idx", "digest"),
    Index("imports_created_at_idx", "created_at", "import_id"),
    Index(
        "imports_open_idx",
        "state",
        "created_at",
        postgresql_where=text("state IN ('uploading', 'waiting', 'queued', 'running')"),
    ),
    info=OWNED,
)
Table(
    "import_chunks",
    metadata,
    Column("import_id", UUID(), primary_key=True, comment="whose key in the vault opens it"),
    Column("number", Integer, primary_key=True),
    Column("sealed", LargeBinary, nullable=False, comment="a piece of the file, encrypted"),
    info=OWNED,
)
Table(
    "import_lines",
    metadata,
    Column("import_id", UUID(), primary_key=True),
    Column("line", BigInteger, primary_key=True),
    Column("status", Text, nullable=False),
    Column("code", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("field", Text),
    Column("column_name", Text),
    Column("message_id", Text),
    info=OWNED,
)
