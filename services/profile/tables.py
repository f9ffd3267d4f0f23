"""The tables of the profile service, declared; queries are SQL text in `store`.

derived: a function of the set of events, made again by a rebuild. computed: made again as of one moment.
owned: known only here.
"""

from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, UUID

from shared.customers.tables import declare_assignments, declare_erasures
from shared.log.tables import declare_log
from shared.worker.tables import declare_worker

DERIVED = {"class": "derived"}
COMPUTED = {"class": "computed"}
OWNED = {"class": "owned"}

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "ix": "%(table_name)s_%(column_0_N_name)s",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
    }
)
declare_log(metadata)
declare_worker(metadata)
declare_assignments(metadata)


def _moment(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:  # noqa: ANN401 (any column type)
    return Column(name, kind, nullable=False, **options)


def _figures() -> list[Column[Any]]:
    return [
        _required("receipts", BigInteger, comment="sales and exchanges, neither voided nor training"),
        _required("returns", BigInteger, comment="returns and exchanges"),
        _required("items", BigInteger, comment="pieces sold; a line sold by measure is one"),
        _required("gross_minor", BigInteger),
        _required("returned_minor", BigInteger),
        _required("unknown_void_minor", BigInteger, comment="voids whose original has not arrived"),
    ]


receipts = Table(
    "receipts",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    Column("event_id", UUID()),
    Column("subject_id", UUID()),
    _required("kind", Text, comment="unknown: only a void of it has arrived"),
    _required("training", Boolean),
    _required("voided", Boolean),
    Column("store_id", Text),
    _moment("occurred_at", nullable=True),
    Column("business_date", Date),
    Column("utc_offset_minutes", SmallInteger),
    Column("currency", Text),
    _required("sold_minor", BigInteger),
    _required("returned_minor", BigInteger),
    _required("items", BigInteger),
    _required("used_coupon", Boolean),
    Column("channel", Text),
    _required("lines", JSONB, comment="[[product_id, quantity, amount_minor], …]; given back: amount below 0"),
    CheckConstraint("kind IN ('sale', 'return', 'exchange', 'unknown')", name="receipts_kind"),
    CheckConstraint(
        "CASE kind WHEN 'unknown' THEN voided AND event_id IS NULL AND subject_id IS NULL"
        " ELSE num_nulls(event_id, subject_id, store_id, occurred_at, business_date, utc_offset_minutes, currency,"
        " channel) = 0 END",
        name="receipts_complete",
    ),
    CheckConstraint("sold_minor >= 0 AND returned_minor >= 0 AND items >= 0", name="receipts_amounts"),
    Index("receipts_by_subject", "subject_id", "occurred_at", "receipt_id"),
    info=DERIVED,
)

voids = Table(
    "voids",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    _required("event_id", UUID()),
    _required("voids_receipt_id", UUID(), index=True),
    _required("subject_id", UUID(), index=True),
    _required("store_id", Text),
    _moment("occurred_at"),
    _required("currency", Text),
    _required("amount_minor", BigInteger),
    CheckConstraint("amount_minor >= 0", name="voids_amount"),
    info=DERIVED,
)

subject_totals = Table(
    "subject_totals",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("currency", Text, primary_key=True),
    *_figures(),
    _moment("first_at", nullable=True),
    _moment("last_at", nullable=True),
    CheckConstraint("(receipts = 0) = (first_at IS NULL)", name="subject_totals_first"),
    info=DERIVED,
)

store_totals = Table(
    "store_totals",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True, comment="of the subject, so that workers do not meet"),
    Column("currency", Text, primary_key=True),
    _required("facts", BigInteger, comment="receipts and voids counted or not; a row with none goes"),
    *_figures(),
    info=DERIVED,
)

subjects = Table(
    "subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    _required("kind", Text),
    Column("namespace", Text),
    Column("masked", Text),
    _required("masked_version", BigInteger, comment="of the assignment that told; 0: none did"),
    CheckConstraint("kind IN ('identified', 'device', 'guest')", name="subjects_kind"),
    info=DERIVED,
)

erased_subjects = Table(
    "erased_subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    info=DERIVED,
)

attributes = Table(
    "attributes",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("name", Text, primary_key=True),
    Column("value", JSONB, comment="null: taken away"),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    info=DERIVED,
)

consents = Table(
    "consents",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("purpose", Text, primary_key=True),
    _required("state", Text),
    Column("policy_version", Text),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    CheckConstraint("state IN ('granted', 'withdrawn')", name="consents_state"),
    info=DERIVED,
)

moments = Table(
    "moments",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    _required("subject_id", UUID()),
    _moment("occurred_at"),
    _required("type", Text),
    Column("store_id", Text),
    _required("detail", JSONB),
    Index("moments_by_subject", "subject_id", "occurred_at", "event_id"),
    Index("moments_by_type", "type", "occurred_at"),
    info=DERIVED,
)

products = Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    _required("name", Text),
    Column("brand", Text),
    _required("categories", ARRAY(Text)),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    info=DERIVED,
)

stores = Table(
    "stores",
    metadata,
    Column("store_id", Text, primary_key=True),
    _required("name", Text),
    Column("area", Text),
    Column("city", Text),
    _required("time_zone", Text),
    _required("channel", Text),
    _required("is_open", Boolean),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    info=DERIVED,
)

customers = Table(
    "customers",
    metadata,
    Column("customer_id", UUID(), primary_key=True),
    Column("currency", Text, comment="the one most often paid in; null without a purchase"),
    _required("receipts", BigInteger, server_default="0"),
    _required("net_minor", BigInteger, server_default="0"),
    _moment("last_at", nullable=True),
    _required("lifecycle", Text, server_default="prospect"),
    Column("rfm_cell", Text),
    _moment("review_at", nullable=True),
    _moment("refreshed_at", nullable=True),
    Index("customers_due", "review_at", postgresql_where=text("review_at IS NOT NULL")),
    info=COMPUTED,
)

rfm_bounds = Table(
    "rfm_bounds",
    metadata,
    Column("currency", Text, primary_key=True),
    _moment("as_of"),
    _required("customers", Integer),
    _required("recency_days", ARRAY(BigInteger), comment="upper ends of the first four fifths"),
    _required("frequency", ARRAY(BigInteger)),
    _required("monetary_minor", ARRAY(BigInteger)),
    info=COMPUTED,
)

dirty = Table(
    "dirty",
    metadata,
    Column("mark", BigInteger, Identity(always=True), primary_key=True),
    _required("customer_id", UUID(), index=True),
    info=COMPUTED,
)

transitions = Table(
    "transitions",
    metadata,
    Column("kind", Text, primary_key=True, comment="lifecycle, or segment:NAME"),
    Column("customer_id", UUID(), primary_key=True),
    _required("n", BigInteger, comment="how many transitions were said; never falls"),
    _required("state", Text, comment="in, out, or the stage of life"),
    _moment("at"),
    CheckConstraint("n > 0", name="transitions_counted"),
    Index("transitions_by_customer", "customer_id"),
    Index("transitions_in", "kind", "customer_id", postgresql_where=text("state = 'in'")),
    info=OWNED,
)

tags = Table(
    "tags",
    metadata,
    Column("customer_id", UUID(), primary_key=True),
    Column("tag", Text, primary_key=True),
    _required("set_by", Text),
    _moment("set_at"),
    info=OWNED,
)

declare_erasures(metadata)
