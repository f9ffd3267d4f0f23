"""Comparing every derived table of two schemas, as of one snapshot of the database."""

from collections.abc import Mapping, Sequence

from shared.db import Transaction
from shared.rebuild.beside import Schemas
from shared.rebuild.domain import Differences, TableFinding, TableShape

SAMPLE_ROWS = 3
POSITIONS = "positions"
LEFT_OUT: Mapping[str, frozenset[str]] = {
    # When and under which code an event failed is not of the event; that it waits is.
    "dead_letters": frozenset({"dead_at", "replayed_at", "reason", "code_version"}),
}
ONLY_ROWS: Mapping[str, str] = {"dead_letters": "replayed_at IS NULL"}


async def compare(tx: Transaction, schemas: Schemas, shapes: Sequence[TableShape]) -> tuple[TableFinding, ...]:
    """Compare the tables. Positions are left out: they are made equal before, and places in Kafka are hints."""
    return tuple([await _compare_one(tx, schemas, shape) for shape in shapes if shape.name != POSITIONS])


async def _compare_one(tx: Transaction, schemas: Schemas, shape: TableShape) -> TableFinding:
    live, after = await _digest(tx, schemas.live, shape), await _digest(tx, schemas.next, shape)
    if live == after:
        return TableFinding(shape.name, live[0], after[0])
    return TableFinding(shape.name, live[0], after[0], await _differences(tx, schemas, shape))


async def _digest(tx: Transaction, schema: str, shape: TableShape) -> tuple[int, str, str]:
    """Return how many rows there are, and two sums over hashes of the text of each: in whatever order they lie."""
    table, row_columns, where_clause = _parts(schema, shape)
    row = await tx.fetchrow(
        f"SELECT count(*) AS rows, coalesce(sum(hashtextextended({row_columns}::text, 0)::numeric), 0)::text AS one,"
        f" coalesce(sum(hashtextextended({row_columns}::text, 1)::numeric), 0)::text AS two"
        f" FROM {table} {where_clause}"
    )
    assert row is not None
    return row["rows"], row["one"], row["two"]


async def _differences(tx: Transaction, schemas: Schemas, shape: TableShape) -> Differences:
    live_table, row_columns, where_clause = _parts(schemas.live, shape)
    next_table, _, _ = _parts(schemas.next, shape)
    key_columns = _row_of(shape.key)
    row = await tx.fetchrow(
        f"WITH live AS (SELECT {key_columns}::text AS k, {row_columns}::text AS r FROM {live_table} {where_clause}),"
        f" made AS (SELECT {key_columns}::text AS k, {row_columns}::text AS r FROM {next_table} {where_clause})"
        " SELECT count(*) FILTER (WHERE made.k IS NULL) AS only_live,"
        " count(*) FILTER (WHERE live.k IS NULL) AS only_next,"
        " count(*) FILTER (WHERE live.k = made.k) AS changed,"
        f" (array_agg(coalesce(live.k, made.k) ORDER BY coalesce(live.k, made.k)))[1:{SAMPLE_ROWS}] AS sample"
        " FROM live FULL JOIN made ON live.k = made.k WHERE live.r IS DISTINCT FROM made.r"
    )
    assert row is not None
    return Differences(row["only_live"], row["only_next"], row["changed"], tuple(row["sample"] or ()))


def _parts(schema: str, shape: TableShape) -> tuple[str, str, str]:
    left_out = LEFT_OUT.get(shape.name, frozenset())
    columns = _row_of([column for column in shape.columns if column not in left_out])
    where_clause = f"WHERE {ONLY_ROWS[shape.name]}" if shape.name in ONLY_ROWS else ""
    return f'"{schema}"."{shape.name}"', columns, where_clause


def _row_of(columns: Sequence[str]) -> str:
    return "ROW(" + ", ".join(f'"{column}"' for column in columns) + ")"
