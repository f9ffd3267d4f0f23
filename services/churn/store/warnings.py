"""Warnings, the counters of what was said of them, and the answers they got."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from services.churn.episodes import ClosedWarning, OpenWarning
from shared.db import Row, Transaction

_COLUMNS = (
    "warning_id, customer_id, level, opened_as_of, opened_at_level, probability_8w, expected_low, expected_high,"
    " value_at_risk_minor, currency, urgency, store_id, reasons, as_of, model_version, snoozed_until, closed_as_of,"
    " outcome"
)


@dataclass(frozen=True, slots=True)
class Figures:
    """What a scoring says of a customer who is warned of; renewed while the warning is open, but for the reasons."""

    customer_id: UUID
    level: int
    probability_8w: float
    expected_low: int
    expected_high: int
    value_at_risk_minor: int
    currency: str
    urgency: float
    store_id: str | None
    as_of: date
    model_version: str


@dataclass(frozen=True, slots=True)
class ListFilter:
    """Which warnings are asked for; None: any."""

    levels: Sequence[int] | None
    is_open: bool | None
    store_ids: Sequence[str] | None
    value_min_minor: int
    awake_on: date | None


async def count_up(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, int]:
    """Return the number of the next transition of each customer, used up by asking."""
    rows = await tx.fetch(
        "INSERT INTO warning_counters AS c (customer_id, n) SELECT customer_id, 1 FROM unnest($1::uuid[])"
        " AS t (customer_id) ORDER BY customer_id"
        " ON CONFLICT (customer_id) DO UPDATE SET n = c.n + 1 RETURNING customer_id, n",
        sorted(customer_ids, key=lambda customer_id: customer_id.int),
    )
    return {row["customer_id"]: row["n"] for row in rows}


async def all_open(tx: Transaction) -> dict[UUID, OpenWarning]:
    """Lock and return every open warning, by customer."""
    rows = await tx.fetch(
        "SELECT warning_id, customer_id, level, opened_as_of FROM warnings WHERE closed_as_of IS NULL"
        " ORDER BY customer_id FOR UPDATE"
    )
    return {row["customer_id"]: OpenWarning(**dict(row)) for row in rows}


async def open_of(tx: Transaction, customer_ids: Collection[UUID]) -> list[OpenWarning]:
    """Lock and return the open warnings of some customers."""
    rows = await tx.fetch(
        "SELECT warning_id, customer_id, level, opened_as_of FROM warnings"
        " WHERE closed_as_of IS NULL AND customer_id = ANY($1) ORDER BY customer_id FOR UPDATE",
        list(customer_ids),
    )
    return [OpenWarning(**dict(row)) for row in rows]


async def open_by_id(tx: Transaction, warning_id: UUID) -> tuple[Row | None, OpenWarning | None]:
    """Lock and return a warning's row, and the warning where it is open."""
    row = await tx.fetchrow(f"SELECT {_COLUMNS} FROM warnings WHERE warning_id = $1 FOR UPDATE", warning_id)
    if row is None or row["closed_as_of"] is not None:
        return row, None
    return row, OpenWarning(row["warning_id"], row["customer_id"], row["level"], row["opened_as_of"])


async def open_row_of(tx: Transaction, customer_id: UUID) -> Row | None:
    """Return a customer's open warning."""
    return await tx.fetchrow(
        f"SELECT {_COLUMNS} FROM warnings WHERE customer_id = $1 AND closed_as_of IS NULL", customer_id
    )


async def reasons_of_open(tx: Transaction, customer_ids: Collection[UUID]) -> dict[UUID, list[dict[str, Any]]]:
    """Return the reasons that customers' open warnings were opened with."""
    rows = await tx.fetch(
        "SELECT customer_id, reasons FROM warnings WHERE closed_as_of IS NULL AND customer_id = ANY($1)",
        list(customer_ids),
    )
    return {row["customer_id"]: row["reasons"] for row in rows}


async def last_closed(tx: Transaction, since: date) -> dict[UUID, ClosedWarning]:
    """Return the last warning of every customer that had one end on or after `since`."""
    rows = await tx.fetch(
        "SELECT DISTINCT ON (customer_id) customer_id, level, closed_as_of FROM warnings"
        " WHERE closed_as_of >= $1 ORDER BY customer_id, closed_as_of DESC, opened_as_of DESC",
        since,
    )
    return {row["customer_id"]: ClosedWarning(row["level"], row["closed_as_of"]) for row in rows}


async def opened_on(tx: Transaction, as_of: date) -> int:
    """Return how many warnings were opened by scorings of a day."""
    count: int = await tx.fetchval("SELECT count(*) FROM warnings WHERE opened_as_of = $1", as_of)
    return count


async def insert(
    tx: Transaction,
    figures: Sequence[Figures],
    ids: Mapping[UUID, UUID],
    reasons: Mapping[UUID, list[dict[str, Any]]],
) -> None:
    """Open warnings; `ids` and `reasons` are by customer."""
    await tx.executemany(
        "INSERT INTO warnings (warning_id, customer_id, level, opened_as_of, opened_at_level, probability_8w,"
        " expected_low, expected_high, value_at_risk_minor, currency, urgency, store_id, reasons, as_of,"
        " model_version) VALUES ($1, $2, $3, $4, $3, $5, $6, $7, $8, $9, $10, $11, $12, $4, $13)",
        [
            (
                ids[each.customer_id],
                each.customer_id,
                each.level,
                each.as_of,
                each.probability_8w,
                each.expected_low,
                each.expected_high,
                each.value_at_risk_minor,
                each.currency,
                each.urgency,
                each.store_id,
                reasons[each.customer_id],
                each.model_version,
            )
            for each in figures
        ],
    )


async def renew(tx: Transaction, figures: Sequence[Figures]) -> None:
    """Bring the figures of open warnings up to date; reasons stay as they were."""
    await tx.execute(
        "UPDATE warnings w SET level = f.level, probability_8w = f.probability, expected_low = f.low,"
        " expected_high = f.high, value_at_risk_minor = f.value, urgency = f.urgency, store_id = f.store_id,"
        " as_of = f.as_of, model_version = f.model_version"
        " FROM unnest($1::uuid[], $2::smallint[], $3::float8[], $4::smallint[], $5::smallint[], $6::bigint[],"
        " $7::float8[], $8::text[], $9::date[], $10::text[])"
        " AS f (customer_id, level, probability, low, high, value, urgency, store_id, as_of, model_version)"
        " WHERE w.customer_id = f.customer_id AND w.closed_as_of IS NULL",
        [each.customer_id for each in figures],
        [each.level for each in figures],
        [each.probability_8w for each in figures],
        [each.expected_low for each in figures],
        [each.expected_high for each in figures],
        [each.value_at_risk_minor for each in figures],
        [each.urgency for each in figures],
        [each.store_id for each in figures],
        [each.as_of for each in figures],
        [each.model_version for each in figures],
    )


async def close(tx: Transaction, warning_ids: Sequence[UUID], as_of: date, outcome: str) -> None:
    await tx.execute(
        "UPDATE warnings SET closed_as_of = greatest($2, opened_as_of), outcome = $3 WHERE warning_id = ANY($1)",
        list(warning_ids),
        as_of,
        outcome,
    )


async def snooze(tx: Transaction, warning_id: UUID, until: date) -> None:
    await tx.execute("UPDATE warnings SET snoozed_until = $2 WHERE warning_id = $1", warning_id, until)


async def add_feedback(  # noqa: PLR0913, PLR0917 (one argument a column)
    tx: Transaction, warning_id: UUID, verdict: str, note: str | None, actor: str, at: datetime
) -> None:
    await tx.execute(
        "INSERT INTO warning_feedback (warning_id, verdict, note, actor, given_at) VALUES ($1, $2, $3, $4, $5)",
        warning_id,
        verdict,
        note,
        actor,
        at,
    )


async def page(tx: Transaction, wanted: ListFilter, after: tuple[float, UUID] | None, limit: int) -> list[Row]:
    """Return warnings, the most urgent first."""
    urgency, warning_id = after or (None, None)
    return await tx.fetch(
        f"SELECT {_COLUMNS} FROM warnings WHERE ($1::smallint[] IS NULL OR level = ANY($1))"
        " AND ($2::bool IS NULL OR (closed_as_of IS NULL) = $2)"
        " AND ($3::text[] IS NULL OR store_id = ANY($3)) AND value_at_risk_minor >= $4"
        " AND ($5::date IS NULL OR snoozed_until IS NULL OR snoozed_until < $5)"
        " AND ($6::float8 IS NULL OR urgency < $6 OR (urgency = $6 AND warning_id > $7))"
        " ORDER BY urgency DESC, warning_id LIMIT $8",
        None if wanted.levels is None else list(wanted.levels),
        wanted.is_open,
        None if wanted.store_ids is None else list(wanted.store_ids),
        wanted.value_min_minor,
        wanted.awake_on,
        urgency,
        warning_id,
        limit,
    )


async def forget_customers(tx: Transaction, customer_ids: Collection[UUID]) -> None:
    """Delete warnings and their answers; the counters stay, so that no number is said twice."""
    await tx.execute(
        "DELETE FROM warning_feedback f USING warnings w"
        " WHERE f.warning_id = w.warning_id AND w.customer_id = ANY($1)",
        list(customer_ids),
    )
    await tx.execute("DELETE FROM warnings WHERE customer_id = ANY($1)", list(customer_ids))
