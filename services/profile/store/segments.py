"""Marks of change, the customers as last folded, what was said of them, and the bounds of the fifths."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from services.profile.domain.profile import Standing
from services.profile.domain.transitions import Said, Transition
from shared.db import Row, Transaction


async def mark_dirty(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    """Say that the customers' facts changed. Marks are only added, so that workers never wait for each other."""
    if customer_ids:
        await tx.execute("INSERT INTO dirty (customer_id) SELECT unnest($1::uuid[])", list(customer_ids))


async def mark_subjects(tx: Transaction, kinds: Mapping[UUID, str]) -> None:
    """Mark the customers of subjects (given with their kinds); a guest or device of nobody's has none."""
    await tx.execute(
        "INSERT INTO dirty (customer_id) SELECT DISTINCT coalesce(a.customer_id, t.subject_id)"
        " FROM unnest($1::uuid[], $2::text[]) AS t (subject_id, kind) LEFT JOIN assignments a USING (subject_id)"
        " WHERE a.customer_id IS NOT NULL OR t.kind = 'identified'",
        list(kinds),
        list(kinds.values()),
    )


async def mark_subjects_by_id(tx: Transaction, subject_ids: Collection[UUID]) -> None:
    """Mark the customers of subjects whose kind is what was seen of them."""
    await tx.execute(
        "INSERT INTO dirty (customer_id) SELECT DISTINCT coalesce(a.customer_id, s.subject_id) FROM subjects s"
        " LEFT JOIN assignments a USING (subject_id)"
        " WHERE s.subject_id = ANY($1) AND (a.customer_id IS NOT NULL OR s.kind = 'identified')",
        list(subject_ids),
    )


async def mark_everybody(tx: Transaction, next_schema: str) -> None:
    """Mark all customers, and those whom the tables of another schema would make some."""
    await tx.execute(
        "INSERT INTO dirty (customer_id) SELECT customer_id FROM customers"
        f' UNION SELECT coalesce(a.customer_id, s.subject_id) FROM "{next_schema}".subjects s'
        f' LEFT JOIN "{next_schema}".assignments a USING (subject_id)'
        " WHERE a.customer_id IS NOT NULL OR s.kind = 'identified'"
    )


async def take_marks(tx: Transaction, customers: int) -> list[UUID]:
    """Take the marks of some customers, the longest waiting first, and lock their rows; return them in order."""
    rows = await tx.fetch(
        "WITH waiting AS (SELECT customer_id FROM (SELECT mark, customer_id FROM dirty ORDER BY mark LIMIT $2) d"
        " GROUP BY customer_id ORDER BY min(mark) LIMIT $1)"
        " DELETE FROM dirty USING waiting WHERE dirty.customer_id = waiting.customer_id RETURNING dirty.customer_id",
        customers,
        customers * 20,
    )
    customer_ids = sorted({row["customer_id"] for row in rows}, key=lambda customer_id: customer_id.int)
    await tx.execute(
        "INSERT INTO customers (customer_id) SELECT unnest($1::uuid[]) ON CONFLICT (customer_id) DO NOTHING",
        customer_ids,
    )
    await tx.fetch(
        "SELECT 1 FROM customers WHERE customer_id = ANY($1) ORDER BY customer_id FOR UPDATE", customer_ids
    )
    return customer_ids


async def said_of(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, dict[str, Said]]:
    """Return what was last said of each customer, by kind."""
    said: dict[UUID, dict[str, Said]] = defaultdict(dict)
    rows = await tx.fetch(
        "SELECT customer_id, kind, n, state FROM transitions WHERE customer_id = ANY($1)", list(customer_ids)
    )
    for row in rows:
        said[row["customer_id"]][row["kind"]] = Said(row["n"], row["state"])
    return said


async def keep_said(tx: Transaction, changes: Sequence[Transition]) -> None:
    await tx.execute(
        "INSERT INTO transitions AS t (kind, customer_id, n, state, at)"
        " SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::text[], $5::timestamptz[])"
        " ON CONFLICT (kind, customer_id) DO UPDATE SET n = excluded.n, state = excluded.state, at = excluded.at"
        " WHERE t.n < excluded.n",
        [change.kind for change in changes],
        [change.customer_id for change in changes],
        [change.n for change in changes],
        [change.state for change in changes],
        [change.at for change in changes],
    )


async def keep_standings(tx: Transaction, standings: Mapping[UUID, Standing], at: datetime) -> None:
    """Keep what customers were folded to at a moment."""
    rows = list(standings.items())
    totals = [standing.totals.main for _, standing in rows]
    await tx.execute(
        "UPDATE customers c SET currency = n.currency, receipts = n.receipts, net_minor = n.net_minor,"
        " last_at = n.last_at, lifecycle = n.lifecycle, rfm_cell = n.rfm_cell, review_at = n.review_at,"
        " refreshed_at = $9"
        " FROM unnest($1::uuid[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[], $6::text[],"
        " $7::text[], $8::timestamptz[])"
        " AS n (customer_id, currency, receipts, net_minor, last_at, lifecycle, rfm_cell, review_at)"
        " WHERE c.customer_id = n.customer_id",
        [customer_id for customer_id, _ in rows],
        [each.currency if each.figures.receipts else None for each in totals],
        [each.figures.receipts for each in totals],
        [each.figures.net_minor for each in totals],
        [each.last_at for each in totals],
        [standing.life.stage for _, standing in rows],
        [standing.rfm.cell if standing.rfm else None for _, standing in rows],
        [standing.life.review_at for _, standing in rows],
        at,
    )


async def drop_customers(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    await tx.execute("DELETE FROM customers WHERE customer_id = ANY($1)", list(customer_ids))


async def waiting(tx: Transaction) -> int:
    """Return how many customers wait for a refresh, counted up to a limit."""
    count: int = await tx.fetchval(
        "SELECT count(DISTINCT customer_id) FROM (SELECT customer_id FROM dirty LIMIT 100000) d"
    )
    return count


async def mark_due(tx: Transaction, now: datetime) -> int:
    """Mark the customers whom time alone may have moved; return how many."""
    return await tx.execute(
        "INSERT INTO dirty (customer_id) SELECT c.customer_id FROM customers c WHERE c.review_at <= $1"
        " AND NOT EXISTS (SELECT 1 FROM dirty d WHERE d.customer_id = c.customer_id)",
        now,
    )


async def compute_bounds(tx: Transaction, now: datetime) -> None:
    """Compute the fifths of each currency's customers as of a moment."""
    await tx.execute("DELETE FROM rfm_bounds")
    await tx.execute(
        "INSERT INTO rfm_bounds (currency, as_of, customers, recency_days, frequency, monetary_minor)"
        " SELECT currency, $1::timestamptz, count(*),"
        " percentile_disc(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY recency_days),"
        " percentile_disc(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY receipts),"
        " percentile_disc(ARRAY[0.2, 0.4, 0.6, 0.8]) WITHIN GROUP (ORDER BY net_minor)"
        " FROM (SELECT currency, receipts, net_minor,"
        " greatest(floor(extract(epoch FROM $1::timestamptz - last_at) / 86400), 0)::bigint AS recency_days"
        " FROM customers WHERE receipts > 0 AND last_at IS NOT NULL) c GROUP BY currency",
        now,
    )


async def mark_moved_cells(tx: Transaction, now: datetime) -> int:
    """Mark the customers whose cell differs under the present bounds; return how many."""
    return await tx.execute(
        "INSERT INTO dirty (customer_id) SELECT customer_id FROM (SELECT c.customer_id, c.rfm_cell,"
        " concat(5 - (SELECT count(*) FROM unnest(b.recency_days) AS t (bound) WHERE bound <"
        " greatest(floor(extract(epoch FROM $1::timestamptz - c.last_at) / 86400), 0)),"
        " 1 + (SELECT count(*) FROM unnest(b.frequency) AS t (bound) WHERE bound < c.receipts),"
        " 1 + (SELECT count(*) FROM unnest(b.monetary_minor) AS t (bound) WHERE bound < c.net_minor)) AS cell"
        " FROM customers c JOIN rfm_bounds b USING (currency) WHERE c.last_at IS NOT NULL) scored"
        " WHERE rfm_cell IS DISTINCT FROM cell",
        now,
    )


async def member_counts(tx: Transaction) -> dict[str, int]:
    """Return how many customers each kind holds."""
    rows = await tx.fetch("SELECT kind, count(*) AS members FROM transitions WHERE state = 'in' GROUP BY kind")
    return {row["kind"]: row["members"] for row in rows}


async def members(tx: Transaction, kind: str, after: UUID | None, limit: int) -> list[Row]:
    """Return customer_id and at of a segment's members, in order of their ids."""
    return await tx.fetch(
        "SELECT customer_id, at FROM transitions WHERE kind = $1 AND state = 'in'"
        " AND ($2::uuid IS NULL OR customer_id > $2) ORDER BY customer_id LIMIT $3",
        kind,
        after,
        limit,
    )


async def stage_counts(tx: Transaction) -> dict[str, int]:
    rows = await tx.fetch("SELECT lifecycle, count(*) AS customers FROM customers GROUP BY lifecycle")
    return {row["lifecycle"]: row["customers"] for row in rows}


async def cell_counts(tx: Transaction) -> dict[str, int]:
    rows = await tx.fetch(
        "SELECT rfm_cell, count(*) AS customers FROM customers WHERE rfm_cell IS NOT NULL GROUP BY rfm_cell"
        " ORDER BY rfm_cell"
    )
    return {row["rfm_cell"]: row["customers"] for row in rows}


async def store_figures(tx: Transaction, store_id: str | None) -> list[dict[str, Any]]:
    """Return the figures of a store (None: of all) for each currency, most sales first."""
    rows = await tx.fetch(
        "SELECT currency, sum(receipts)::bigint AS receipts, sum(returns)::bigint AS returns,"
        " sum(items)::bigint AS items, sum(gross_minor)::bigint AS gross_minor,"
        " sum(returned_minor)::bigint AS returned_minor, sum(unknown_void_minor)::bigint AS unknown_void_minor"
        " FROM store_totals WHERE $1::text IS NULL OR store_id = $1 GROUP BY currency"
        " ORDER BY 2 DESC, currency",
        store_id,
    )
    return [dict(row) for row in rows]


async def store_described(tx: Transaction, store_id: str) -> Row | None:
    return await tx.fetchrow(
        "SELECT store_id, name, area, city, time_zone, channel, is_open FROM stores WHERE store_id = $1", store_id
    )
