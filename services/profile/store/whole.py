"""Everything of one customer in one statement: one way to the database and back, and one moment that all is of.

Whoever stands at a till waits for it; asked one after the other, the ways took longer than the answers.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.profile.domain.profile import Consent, Identifier
from services.profile.domain.purchases import Figures, Totals, Visit
from services.profile.domain.rfm import Bounds
from services.profile.store.customers import VISITS_LOOKED_AT
from shared.db import Row, Transaction

RECEIPTS_FOR_FAVOURITES = 300

# The customer behind an id (of a customer, a subject, or an absorbed customer), and the subjects known to be theirs.
_WHO = """
who AS MATERIALIZED (
    SELECT coalesce((SELECT customer_id FROM assignments WHERE subject_id = $1), $1) AS customer_id
),
theirs AS MATERIALIZED (
    SELECT coalesce(array_agg(subject_id), '{}') AS ids FROM (
        SELECT a.subject_id FROM who JOIN assignments a USING (customer_id) JOIN subjects s USING (subject_id)
        UNION ALL
        SELECT s.subject_id FROM who JOIN subjects s ON s.subject_id = who.customer_id
        WHERE s.kind = 'identified'
            AND NOT EXISTS (SELECT FROM assignments a WHERE a.subject_id = s.subject_id)
    ) AS found
)
"""
_VISITS = f"""
visits AS MATERIALIZED (
    SELECT v.* FROM theirs, unnest(theirs.ids) AS asked (subject_id) CROSS JOIN LATERAL (
        SELECT r.occurred_at, r.business_date, r.store_id, r.utc_offset_minutes, r.used_coupon
        FROM receipts r
        WHERE r.subject_id = asked.subject_id AND r.kind <> 'return' AND NOT r.voided AND NOT r.training
        ORDER BY r.occurred_at DESC, r.receipt_id DESC LIMIT {VISITS_LOOKED_AT}
    ) v
)
"""
_LATEST = f"""
latest AS MATERIALIZED (
    SELECT receipt_id, currency, lines FROM receipts WHERE subject_id = ANY((SELECT ids FROM theirs)::uuid[])
        AND NOT voided AND NOT training
    ORDER BY occurred_at DESC, receipt_id DESC LIMIT {RECEIPTS_FOR_FAVOURITES}
)
"""
_PARTS = {
    "totals": "SELECT currency, receipts, returns, items, gross_minor, returned_minor, unknown_void_minor, first_at,"
    " last_at FROM subject_totals WHERE subject_id = ANY(theirs.ids)",
    "visits": "SELECT * FROM visits ORDER BY occurred_at, store_id",
    "stores": "SELECT store_id, time_zone, name FROM stores WHERE store_id IN (SELECT store_id FROM visits)",
    # As JSON: the driver reads no arrays inside of rows.
    "bounds": "SELECT currency, as_of, to_jsonb(recency_days), to_jsonb(frequency), to_jsonb(monetary_minor)"
    " FROM rfm_bounds",
    "identifiers": "SELECT DISTINCT namespace, masked FROM subjects WHERE subject_id = ANY(theirs.ids)"
    " AND masked IS NOT NULL AND namespace IS NOT NULL ORDER BY namespace, masked",
    # A product's category is the second level of the catalogue (below the department), or the only one; products
    # without one are left out. Amounts are of the currency that most receipts are in.
    "categories": "SELECT coalesce(p.categories[2], p.categories[1]) AS category,"
    " sum((line->>2)::bigint)::bigint AS amount_minor, count(DISTINCT l.receipt_id) AS purchases"
    " FROM latest l CROSS JOIN LATERAL jsonb_array_elements(l.lines) AS line"
    " JOIN products p ON p.product_id = line->>0"
    " WHERE cardinality(p.categories) > 0 AND l.currency ="
    " (SELECT currency FROM latest GROUP BY currency ORDER BY count(*) DESC, currency LIMIT 1) GROUP BY 1",
    # The latest value of each attribute among the subjects; null: it was taken away.
    "attributes": "SELECT DISTINCT ON (name) name, value FROM attributes WHERE subject_id = ANY(theirs.ids)"
    " ORDER BY name, occurred_at DESC, event_id DESC",
    # Set under any of the ids: the customer's own and those of whom it absorbed.
    "tags": "SELECT DISTINCT tag FROM tags WHERE customer_id = ANY(who.customer_id || theirs.ids) ORDER BY tag",
    "consents": "SELECT channel, purpose, state, policy_version, occurred_at FROM consents"
    " WHERE subject_id = ANY(theirs.ids)",
}
_EVERYTHING = (
    f"WITH {_WHO}, {_VISITS}, {_LATEST} SELECT who.customer_id, theirs.ids, "
    + ", ".join(f"ARRAY(SELECT part FROM ({question}) AS part) AS {name}" for name, question in _PARTS.items())
    + " FROM who, theirs"
)


@dataclass(frozen=True, slots=True)
class Whole:
    """All that is known of one customer. `categories` maps each to its net amount and number of receipts."""

    customer_id: UUID
    totals: Sequence[Totals]
    visits: Sequence[Visit]
    bounds: Mapping[str, Bounds]
    store_zones: Mapping[str, str]
    store_names: Mapping[str, str]
    identifiers: Sequence[Identifier]
    categories: Mapping[str, tuple[int, int]]
    attributes: Mapping[str, object]
    tags: Sequence[str]
    consents: Sequence[Consent]


async def whole_of(tx: Transaction, asked_id: UUID) -> Whole | None:
    """Return everything of the customer behind an id; None unless some subject is known as a person's.

    A guest or a device that nobody was found for is no customer.
    """
    row = await tx.fetchrow(_EVERYTHING, asked_id)
    if row is None or not row["ids"]:
        return None
    return Whole(
        customer_id=row["customer_id"],
        totals=[_totals(part) for part in row["totals"]],
        visits=[Visit(*part) for part in row["visits"]],
        bounds={currency: Bounds(currency, *rest) for currency, *rest in row["bounds"]},
        store_zones={store_id: zone for store_id, zone, _ in row["stores"]},
        store_names={store_id: name for store_id, _, name in row["stores"]},
        identifiers=[Identifier(*part) for part in row["identifiers"]],
        categories={category: (amount, purchases) for category, amount, purchases in row["categories"]},
        attributes={name: value for name, value in row["attributes"] if value is not None},
        tags=[tag for (tag,) in row["tags"]],
        consents=[Consent(*part) for part in row["consents"]],
    )


def _totals(part: Row) -> Totals:
    currency, *figures, first_at, last_at = part
    return Totals(currency, Figures(*figures), first_at, last_at)
