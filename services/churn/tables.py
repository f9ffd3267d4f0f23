"""The tables of the churn service, declared; queries are SQL text in `store`.

derived: a function of the set of events, made again by a rebuild. computed: made again as of one day.
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
    Double,
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

_STATES = "('insufficient_history', 'active', 'at_risk', 'already_lost')"

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


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:  # noqa: ANN401 (any column type)
    return Column(name, kind, nullable=False, **options)


def _moment(name: str, *, nullable: bool = False) -> Column[Any]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


receipts = Table(
    "receipts",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    _required("event_id", UUID()),
    _required("subject_id", UUID()),
    _required("identified", Boolean, comment="false: counts only once the subject is assigned to a customer"),
    _required("kind", Text),
    _required("day", Date, comment="the store's business day"),
    _moment("occurred_at"),
    _required("hour", SmallInteger, comment="local hour of the day"),
    _required("store_id", Text),
    _required("currency", Text),
    _required("sold_minor", BigInteger),
    _required("returned_minor", BigInteger),
    _required("items", Integer, comment="lines bought"),
    _required("discount_minor", BigInteger),
    _required("coupon_minor", BigInteger, comment="the part of discount_minor that coupons took off"),
    _required("products", JSONB, comment="[product_id, …] bought, each once"),
    CheckConstraint("kind IN ('sale', 'return', 'exchange')", name="receipts_kind"),
    CheckConstraint("hour BETWEEN 0 AND 23", name="receipts_hour"),
    CheckConstraint(
        "sold_minor >= 0 AND returned_minor >= 0 AND items >= 0 AND coupon_minor >= 0"
        " AND discount_minor >= coupon_minor",
        name="receipts_amounts",
    ),
    Index("receipts_by_subject", "subject_id", "day"),
    Index("receipts_by_day", "day"),
    info=DERIVED,
)

voids = Table(
    "voids",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    _required("voids_receipt_id", UUID(), index=True, comment="the receipt taken back, here or not"),
    info=DERIVED,
)

consents = Table(
    "consents",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("channel", Text, primary_key=True),
    _required("is_withdrawn", Boolean, comment="of personalisation, the only purpose kept here"),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    info=DERIVED,
)

products = Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    _required("categories", JSONB, comment="from the department down"),
    _moment("occurred_at"),
    _required("event_id", UUID()),
    info=DERIVED,
)

erased_subjects = Table(
    "erased_subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True, comment="a subject, or the customer that it was of"),
    info=DERIVED,
)

scores = Table(
    "scores",
    metadata,
    Column("customer_id", UUID(), primary_key=True),
    Column("as_of", Date, primary_key=True, comment="the day whose evening is described"),
    _required("state", Text),
    _required("level", SmallInteger, comment="0 none, 1 watch, 2 elevated, 3 high, 4 critical"),
    _required("lost_by_week", ARRAY(Double), comment="probability of being lost within 1..12 weeks"),
    _required("lapse28", Double, comment="probability of no visit in 28 days"),
    Column("partial56", Double, comment="probability of spending less than half in 56 days"),
    Column("expected_low", SmallInteger),
    Column("expected_high", SmallInteger),
    _required("silence_days", Integer),
    Column("usual_gap_days", Double, comment="median of the own gaps; null: none known"),
    _required("limit_days", Double, comment="silence after which the customer counts as lost"),
    _required("value_at_risk_minor", BigInteger),
    _required("urgency", Double),
    Column("store_id", Text, comment="where most visits of 112 days were"),
    _required("reasons", JSONB),
    _required("model_version", Text),
    CheckConstraint(f"state IN {_STATES}", name="scores_state"),
    CheckConstraint("level BETWEEN 0 AND 4", name="scores_level"),
    CheckConstraint("cardinality(lost_by_week) = 12", name="scores_curve"),
    CheckConstraint("value_at_risk_minor >= 0 AND silence_days >= 0", name="scores_amounts"),
    Index("scores_by_day", "as_of", "level"),
    info=COMPUTED,
)

scorings = Table(
    "scorings",
    metadata,
    Column("as_of", Date, primary_key=True),
    _required("model_version", Text),
    _required("customers", Integer),
    _required("levels", JSONB, comment="customers by level"),
    _required("moved_warnings", Boolean, comment="false: an earlier day was scored again, for the record"),
    _moment("scored_at"),
    info=COMPUTED,
)

warnings = Table(
    "warnings",
    metadata,
    Column("warning_id", UUID(), primary_key=True),
    _required("customer_id", UUID(), index=True),
    _required("level", SmallInteger),
    _required("opened_as_of", Date),
    _required("opened_at_level", SmallInteger),
    _required("probability_8w", Double),
    _required("expected_low", SmallInteger),
    _required("expected_high", SmallInteger),
    _required("value_at_risk_minor", BigInteger),
    _required("currency", Text),
    _required("urgency", Double, comment="alert score x sqrt(eight weeks' spend): the order of the work list"),
    Column("store_id", Text),
    _required("reasons", JSONB, comment="as they were when it was opened"),
    _required("as_of", Date, comment="of the figures above"),
    _required("model_version", Text),
    Column("snoozed_until", Date),
    Column("closed_as_of", Date),
    Column("outcome", Text),
    CheckConstraint("level BETWEEN 1 AND 4 AND opened_at_level BETWEEN 1 AND 4", name="warnings_level"),
    CheckConstraint("outcome IN ('returned', 'cleared', 'lapsed', 'dismissed', 'erased')", name="warnings_outcome"),
    CheckConstraint("(closed_as_of IS NULL) = (outcome IS NULL)", name="warnings_closed"),
    CheckConstraint("value_at_risk_minor >= 0", name="warnings_value"),
    Index("warnings_open", "customer_id", unique=True, postgresql_where=text("closed_as_of IS NULL")),
    info=OWNED,
)
Index("warnings_by_urgency", warnings.c.urgency.desc(), warnings.c.warning_id)

warning_counters = Table(
    "warning_counters",
    metadata,
    Column("customer_id", UUID(), primary_key=True),
    _required("n", BigInteger, comment="how many transitions were said; never falls"),
    CheckConstraint("n > 0", name="warning_counters_counted"),
    info=OWNED,
)

warning_feedback = Table(
    "warning_feedback",
    metadata,
    Column("feedback_id", BigInteger, Identity(always=True), primary_key=True),
    _required("warning_id", UUID(), index=True),
    _required("verdict", Text),
    Column("note", Text),
    _required("actor", Text),
    _moment("given_at"),
    CheckConstraint("verdict IN ('useful', 'wrong', 'done', 'snooze')", name="warning_feedback_verdict"),
    info=OWNED,
)

score_requests = Table(
    "score_requests",
    metadata,
    Column("request_id", UUID(), primary_key=True),
    _required("as_of", Date),
    _required("state", Text),
    _required("asked_by", Text),
    _moment("asked_at"),
    _moment("finished_at", nullable=True),
    Column("result", JSONB),
    Column("failure", Text),
    CheckConstraint("state IN ('pending', 'done', 'failed')", name="score_requests_state"),
    Index("score_requests_pending", "asked_at", postgresql_where=text("state = 'pending'")),
    info=OWNED,
)

declare_erasures(metadata)
