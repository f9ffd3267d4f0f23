"""The rows that receipts leave in the five services, as a digest of each table: what must not differ does not."""

from collections.abc import Mapping

from tests.faults.count import Tables

RECEIPTS = "topic = 'retail.receipts.v1'"
TABLES = (
    ("ingest", "events", RECEIPTS),
    ("ingest", "numbered", RECEIPTS),
    ("ingest", "dedup_keys", "true"),
    ("ingest", "subjects", "true"),
    ("profile", "receipts", "true"),
    ("profile", "subject_totals", "true"),
    ("profile", "store_totals", "true"),
    ("recommend", "receipts", "true"),
    ("recommend", "popularity", "true"),
    ("churn", "receipts", "true"),
    ("campaign", "receipts", "true"),
    ("campaign", "points_lots", "true"),
    ("campaign", "points_accounts", "true"),
    ("campaign", "ledger_lines", "true"),
)
"""Service, table, and which of its rows."""

Digest = tuple[int, int]
"""How many rows there are, and the sum of the hashes of all that is in each."""


async def digests(tables: Tables) -> Mapping[str, Digest]:
    """Return the digest of each table, by name: `profile.receipts`."""
    found = {}
    for service, table, rows in TABLES:
        row = await tables.databases[service].fetch(
            "SELECT count(*), coalesce(sum(hashtextextended(t::text, 0)), 0)"
            f" FROM (SELECT * FROM {table} WHERE {rows}) AS t"
        )
        found[f"{service}.{table}"] = (row[0][0], int(row[0][1]))
    return found
