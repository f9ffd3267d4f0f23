"""The tables of the recommend service, declared; queries are SQL text in `store`.

derived: a function of the set of events, made again by a rebuild. computed: made again as of one moment. owned: known
only here.
"""

from typing import Any

from sqlalchemy import (
    ARRAY,
    REAL,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB, UUID

from services.recommend.tables.segments import declare_segments
from shared.customers.tables import declare_assignments, declare_erasures
from shared.log.tables import declare_log, declare_retention
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
declare_segments(metadata)


def _required(name: str, kind: Any, **options: Any) -> Column[Any]:  # noqa: ANN401 (any column type)
    return Column(name, kind, nullable=False, **options)


def _last_writer() -> tuple[Column[Any], Column[Any]]:
    """Return the event whose word a row holds; a later (occurred_at, event_id) replaces it."""
    return _required("occurred_at", DateTime(timezone=True)), _required("event_id", UUID())


receipts = Table(
    "receipts",
    metadata,
    Column("receipt_id", UUID(), primary_key=True),
    Column("event_id", UUID()),
    Column("subject_id", UUID()),
    _required("is_guest", Boolean),
    _required("kind", Text, comment="unknown: only a void of it has arrived"),
    _required("training", Boolean),
    _required("voided", Boolean),
    Column("store_id", Text),
    Column("occurred_at", DateTime(timezone=True)),
    Column("business_date", Date),
    Column("returns_receipt_id", UUID(), comment="the receipt that a return takes back from"),
    _required("moved", JSONB, comment="[[product_id, millionths], …]; bought: 0 and above, given back: below"),
    Column("replaced_by", UUID(), comment="the receipt recorded in its place, of an edited order"),
    CheckConstraint("kind IN ('sale', 'return', 'exchange', 'unknown')", name="receipts_kind"),
    CheckConstraint(
        "CASE kind WHEN 'unknown' THEN voided AND event_id IS NULL AND subject_id IS NULL"
        " ELSE num_nulls(event_id, subject_id, store_id, occurred_at, business_date) = 0 END",
        name="receipts_complete",
    ),
    Index("receipts_by_subject", "subject_id"),
    Index(
        "receipts_by_original",
        "returns_receipt_id",
        postgresql_where=text("returns_receipt_id IS NOT NULL"),
    ),
    # Receipts come nearly in order of time: whoever bought in a week is found by reading little else.
    Index("receipts_by_time", "occurred_at", postgresql_using="brin"),
    info=DERIVED,
)

popularity = Table(
    "popularity",
    metadata,
    Column("day", Date, primary_key=True),
    Column("store_id", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    Column("partition", SmallInteger, primary_key=True, autoincrement=False),
    _required("purchases", Integer, comment="receipts of the day that hold the product"),
    info=DERIVED,
)

products = Table(
    "products",
    metadata,
    Column("product_id", Text, primary_key=True),
    _required("name", Text),
    Column("brand", Text),
    _required("categories", ARRAY(Text), comment="from the department down"),
    Column("size", Text),
    _required("is_sold", Boolean),
    _required("attributes", JSONB),
    Column("launched_on", Date),
    Column("first_seen_at", DateTime(timezone=True), comment="first heard of, whatever was said last"),
    *_last_writer(),
    info=DERIVED,
)

prices = Table(
    "prices",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    _required("product_id", Text, index=True),
    Column("store_id", Text, comment="null: every store without its own price"),
    _required("currency", Text),
    _required("price_minor", BigInteger),
    _required("valid_from_at", DateTime(timezone=True)),
    Column("valid_until_at", DateTime(timezone=True), comment="excluded"),
    _required("occurred_at", DateTime(timezone=True)),
    CheckConstraint("price_minor >= 0", name="prices_amount"),
    info=DERIVED,
)

stock = Table(
    "stock",
    metadata,
    Column("store_id", Text, primary_key=True),
    Column("product_id", Text, primary_key=True),
    _required("in_stock", Boolean),
    *_last_writer(),
    Index("stock_missing", "store_id", "product_id", postgresql_where=text("NOT in_stock")),
    info=DERIVED,
)

stores = Table(
    "stores",
    metadata,
    Column("store_id", Text, primary_key=True),
    _required("name", Text),
    _required("time_zone", Text),
    _required("is_open", Boolean),
    *_last_writer(),
    info=DERIVED,
)

consents = Table(
    "consents",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    Column("channel", Text, primary_key=True),
    _required("is_withdrawn", Boolean, comment="of personalisation, the only purpose kept here"),
    *_last_writer(),
    info=DERIVED,
)

session_views = Table(
    "session_views",
    metadata,
    Column("session_id", Text, primary_key=True),
    Column("subject_id", UUID(), primary_key=True),
    Column("product_id", Text, primary_key=True),
    _required("viewed_at", DateTime(timezone=True), comment="last looked at or put into the cart"),
    Index("session_views_by_subject", "subject_id"),
    Index("session_views_by_time", "viewed_at"),
    info=DERIVED,
)

changed_subjects = Table(
    "changed_subjects",
    metadata,
    Column("subject_id", UUID(), primary_key=True),
    _required("changed_in", BigInteger, index=True, comment="the last transaction that changed something of it"),
    _required("changed_at", DateTime(timezone=True), comment="an hour later the row goes"),
    info=COMPUTED,
)

erased_subjects = Table("erased_subjects", metadata, Column("subject_id", UUID(), primary_key=True), info=DERIVED)

shown = Table(
    "shown",
    metadata,
    Column("request_id", UUID(), primary_key=True),
    _required("shown_at", DateTime(timezone=True), index=True),
    Column("customer_id", UUID(), index=True),
    Column("session_id", Text),
    _required("placement", Text),
    _required("model_version", Text),
    _required("fallback_level", SmallInteger),
    _required("product_ids", ARRAY(Text), comment="in the order shown"),
    Column("experiment_id", Text),
    Column("variant", Text),
    Column("unit", Text, comment="c: a customer or s: a session, as drawn into the variant"),
    Column("teams", ARRAY(SmallInteger), comment="of an interleaving: 0, 1, or -1 for nobody's, in the order shown"),
    Column("took_ms", REAL, comment="from the question to the list, the customer's history read included"),
    Column("shelf_age_s", REAL, comment="how old prices, stock and popularity in memory were"),
    Index("shown_by_unit", "experiment_id", "unit", postgresql_where=text("experiment_id IS NOT NULL")),
    info=OWNED,
)

activity = Table(
    "activity",
    metadata,
    Column("event_id", UUID(), primary_key=True),
    _required("occurred_at", DateTime(timezone=True)),
    _required("request_id", UUID(), index=True),
    Column("customer_id", UUID(), index=True),
    _required("product_id", Text),
    _required("action", Text),
    CheckConstraint("action IN ('impression', 'click', 'add_to_cart', 'purchase')", name="activity_action"),
    Index("activity_by_time", "occurred_at"),
    info=OWNED,
)

coupons = Table(
    "coupons",
    metadata,
    Column("coupon_id", UUID(), primary_key=True),
    _required("subject_id", UUID()),
    _required("customer_id", UUID()),
    _required("campaign_id", Text),
    Column("starts_at", DateTime(timezone=True)),
    Column("expires_at", DateTime(timezone=True), comment="excluded"),
    _required("issued_at", DateTime(timezone=True)),
    Column("offer", JSONB, comment="what it takes off; null where it was not said"),
    Index("coupons_by_customer", "customer_id"),
    Index("coupons_by_time", "issued_at"),
    info=DERIVED,
)

redemptions = Table(
    "redemptions",
    metadata,
    Column("redemption_id", UUID(), primary_key=True),
    Column("coupon_id", UUID(), primary_key=True),
    _required("subject_id", UUID()),
    _required("customer_id", UUID()),
    _required("n", Integer),
    _required("state", Text),
    Column("store_id", Text),
    _required("discount_minor", BigInteger),
    _required("currency", Text),
    _required("redeemed_at", DateTime(timezone=True)),
    CheckConstraint("discount_minor >= 0", name="redemptions_amount"),
    CheckConstraint("state IN ('redeemed', 'rolled_back')", name="redemptions_state"),
    Index("redemptions_by_coupon", "coupon_id"),
    Index("redemptions_by_customer", "customer_id"),
    Index("redemptions_by_time", "redeemed_at"),
    info=DERIVED,
)

experiments = Table(
    "experiments",
    metadata,
    Column("experiment_id", Text, primary_key=True),
    _required("about", Text),
    _required("method", Text),
    _required("layer", Text),
    _required("placements", ARRAY(Text)),
    _required("share", Double),
    _required("variants", JSONB),
    _required("attribution_days", SmallInteger),
    _required("state", Text),
    Column("first_place", Integer, comment="of the layer's places, while it runs and after"),
    Column("end_place", Integer, comment="excluded"),
    _required("created_at", DateTime(timezone=True)),
    _required("created_by", Text),
    Column("started_at", DateTime(timezone=True)),
    Column("stopped_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('draft', 'running', 'stopped')", name="experiments_state"),
    CheckConstraint("method IN ('ab', 'interleaving')", name="experiments_method"),
    CheckConstraint("share > 0 AND share <= 1", name="experiments_share"),
    CheckConstraint(
        "state <> 'running' OR num_nulls(first_place, end_place, started_at) = 0", name="experiments_running"
    ),
    info=OWNED,
)

experiment_results = Table(
    "experiment_results",
    metadata,
    Column("experiment_id", Text, ForeignKey("experiments.experiment_id", ondelete="CASCADE"), primary_key=True),
    _required("as_of", DateTime(timezone=True), comment="everything up to here is counted"),
    _required("people_cut", Integer, comment="people with more lists than are looked at"),
    _required("tallies", JSONB, comment="by variant: sums over people"),
    info=COMPUTED,
)

quality_days = Table(
    "quality_days",
    metadata,
    Column("day", Date, primary_key=True, comment="in the chain's time zone"),
    Column("placement", Text, primary_key=True),
    Column("customer_group", Text, primary_key=True),
    _required("is_final", Boolean, comment="the last next basket can have come"),
    _required("figures", JSONB),
    info=COMPUTED,
)

trainings = Table(
    "trainings",
    metadata,
    Column("training_id", UUID(), primary_key=True),
    _required("state", Text),
    _required("started_at", DateTime(timezone=True)),
    Column("finished_at", DateTime(timezone=True)),
    _required("said", Text, comment="its last line"),
    CheckConstraint("state IN ('running', 'done', 'kept_back', 'failed')", name="trainings_state"),
    info=OWNED,
)

shadows = Table(
    "shadows",
    metadata,
    Column("version", Text, primary_key=True),
    _required("share", REAL, comment="of the lists"),
    _required("started_at", DateTime(timezone=True)),
    _required("started_by", Text),
    info=OWNED,
)

shadow_days = Table(
    "shadow_days",
    metadata,
    Column("version", Text, primary_key=True),
    Column("day", Date, primary_key=True),
    _required("lists", Integer),
    _required("agreement", Double, comment="sum over lists of the share of products in both"),
    _required("took_ms", Double, comment="sum of processor time"),
    _required("in_use_ms", Double, comment="the same of the version in use"),
    _required("failures", Integer),
    _required("dropped", Integer, comment="lists left out because too many waited"),
    info=OWNED,
)

rules = Table(
    "rules",
    metadata,
    Column("rule_id", UUID(), primary_key=True),
    _required("revision", Integer),
    _required("state", Text),
    _required("definition", JSONB, comment="all of it but id and state"),
    _required("created_at", DateTime(timezone=True)),
    _required("changed_at", DateTime(timezone=True)),
    CheckConstraint("state IN ('draft', 'active', 'off')", name="rules_state"),
    info=OWNED,
)

placement_settings = Table(
    "placement_settings",
    metadata,
    Column("placement", Text, primary_key=True),
    _required("settings", JSONB),
    _required("changed_at", DateTime(timezone=True)),
    info=OWNED,
)

policy_changes = Table(
    "policy_changes",
    metadata,
    Column("change_id", BigInteger(), Identity(always=True), primary_key=True),
    _required("thing", Text),
    _required("thing_id", Text),
    _required("action", Text),
    _required("actor", Text, comment="as the API key names it"),
    _required("key_id", Text),
    _required("changed_at", DateTime(timezone=True)),
    Column("before", JSONB),
    Column("after", JSONB),
    CheckConstraint("thing IN ('rule', 'placement')", name="policy_changes_thing"),
    CheckConstraint("action IN ('created', 'changed', 'deleted')", name="policy_changes_action"),
    CheckConstraint("num_nonnulls(before, after) > 0", name="policy_changes_something"),
    Index("policy_changes_by_thing", "thing", "thing_id", "change_id"),
    info=OWNED,
)

explored = Table(
    "explored",
    metadata,
    Column("request_id", UUID(), primary_key=True),
    _required("shown_at", DateTime(timezone=True), index=True),
    _required("product_id", Text),
    _required("propensity", Double, comment="with which this product was drawn for this list"),
    CheckConstraint("propensity > 0 AND propensity <= 1", name="explored_propensity"),
    info=OWNED,
)

declare_erasures(metadata)
declare_retention(metadata)
