"""The invariants of figures: what profile, churn, recommend and campaign hold is what the archive adds up to.

Of the services only the names of tables and columns are known here, none of their functions.
"""

from uuid import UUID

from regulars.verification import recount
from regulars.verification.archive import Archive
from regulars.verification.recount import Figures, Key, PointRule
from regulars.verification.report import Basis, Finding
from shared.db import Database, Row

RECEIPTS_TOPIC = "retail.receipts.v1"
ROWS_AT_ONCE = 5_000


async def read_archive(ingest: Database) -> Archive:
    """Read every receipt and void that was ever accepted."""
    archive = Archive()
    after = UUID(int=0)
    while rows := await ingest.fetch(
        "SELECT event_id, body FROM events WHERE topic = $1 AND event_id > $2 ORDER BY event_id LIMIT $3",
        RECEIPTS_TOPIC,
        after,
        ROWS_AT_ONCE,
    ):
        for row in rows:
            archive.add(row["body"])
        after = rows[-1]["event_id"]
    return archive


async def profile_totals(archive: Archive, profile: Database) -> Finding:
    """Every subject's totals in profile are what the archive adds up to."""
    rows = await profile.fetch(
        "SELECT subject_id::text, currency, receipts, returns, gross_minor,"
        " gross_minor - returned_minor - unknown_void_minor AS net_minor FROM subject_totals"
    )
    differences = compared(recount.totals(archive), _figures(rows, 2), "profile", "receipts, returns, gross, net")
    return _finding("all totals are what the archive adds up to", "profile", archive, differences)


async def churn_receipts(archive: Archive, churn: Database) -> Finding:
    """Churn counts, for every subject, the receipts and amounts that the archive has."""
    rows = await churn.fetch(
        "SELECT subject_id::text, currency, count(*) AS receipts, sum(sold_minor)::bigint AS sold_minor,"
        " sum(returned_minor)::bigint AS returned_minor FROM receipts WHERE NOT EXISTS"
        " (SELECT 1 FROM voids WHERE voids_receipt_id = receipts.receipt_id) GROUP BY 1, 2"
    )
    expected = recount.receipts_and_amounts(archive)
    differences = compared(expected, _figures(rows, 2), "churn", "receipts, sold, given back")
    return _finding("every customer's receipts are those of the archive", "churn", archive, differences)


async def recommend_receipts(archive: Archive, recommend: Database) -> Finding:
    """Recommend counts, for every subject, the receipts and products bought that the archive has."""
    rows = await recommend.fetch(
        "SELECT subject_id::text, count(*) AS receipts, sum((SELECT count(*) FROM jsonb_array_elements(moved) AS pair"
        " WHERE (pair -> 1)::bigint >= 0))::bigint AS products"
        " FROM receipts WHERE kind <> 'unknown' AND NOT training AND NOT voided GROUP BY 1"
    )
    differences = compared(recount.receipts(archive), _figures(rows, 1), "recommend", "receipts, products bought")
    return _finding("every customer's receipts are those of the archive", "recommend", archive, differences)


async def recommend_popularity(archive: Archive, recommend: Database) -> Finding:
    """Every day's purchases of every product in every store are what the archive adds up to."""
    rows = await recommend.fetch(
        "SELECT day::text, store_id, product_id, sum(purchases)::bigint AS purchases FROM popularity GROUP BY 1, 2, 3"
    )
    expected = recount.purchases(archive)
    differences = compared(expected, _figures(rows, 3), "recommend", "purchases")
    sentence = "what sold in which store on which day is what the archive adds up to"
    return Finding(Basis.ARCHIVE, sentence, "recommend", sum(count for (count,) in expected.values()), differences)


async def campaign_points(archive: Archive, campaign: Database, rule: PointRule) -> Finding:
    """Every subject's points earned and taken back are what the archived receipts are worth, and the wallet agrees.

    What is in a wallet, was spent or ran out has to be what receipts left and what was given or taken by hand.
    """
    units = {
        row["lot_id"]: row["unit_minor"]
        for row in await campaign.fetch("SELECT lot_id::text, unit_minor FROM points_lots WHERE unit_minor > 0")
    }
    rows = await campaign.fetch(
        "SELECT subject_id::text, coalesce(earned, 0)::bigint AS earned,"
        " coalesce(taken_back, 0)::bigint AS taken_back,"
        " (coalesce(active - debt + spent + expired, 0) - coalesce(by_hand, 0))::bigint AS wallet"
        " FROM points_accounts FULL JOIN (SELECT subject_id,"
        "  -sum(points) FILTER (WHERE account = 'programme.issued' AND kind = 'earned') AS earned,"
        "  sum(points) FILTER (WHERE account = 'programme.issued' AND kind = 'taken_back') AS taken_back,"
        "  -sum(points) FILTER (WHERE account = 'programme.adjusted') AS by_hand"
        "  FROM ledger_lines GROUP BY 1) AS ledger USING (subject_id)"
    )
    worth = recount.points(archive, rule, units)
    expected = {key: (earned, taken_back, earned - taken_back) for key, (earned, taken_back) in worth.items()}
    figures = "points earned, taken back, left in the wallet or spent"
    differences = compared(expected, _figures(rows, 1), "campaign", figures)
    sentence = "all points earned and taken back are what the archived receipts are worth"
    return _finding(sentence, "campaign", archive, differences)


def compared(expected: Figures, held: Figures, service: str, figures: str) -> list[str]:
    """Return a sentence for each key whose figures differ; what is not there is nothing."""
    differing = sorted(key for key in expected.keys() | held.keys() if _of(expected, key) != _of(held, key))
    return [
        f"{' '.join(key)}: archive {_shown(expected, key)}, {service} {_shown(held, key)} ({figures})"
        for key in differing
    ]


def _of(figures: Figures, key: Key) -> tuple[int, ...]:
    found = figures.get(key, ())
    return found if any(found) else ()


def _shown(figures: Figures, key: Key) -> str:
    return ", ".join(str(number) for number in _of(figures, key)) or "nothing"


def _figures(rows: list[Row], key_columns: int) -> Figures:
    """Read rows whose first columns are the key and whose others are the figures."""
    return {tuple(row)[:key_columns]: tuple(row)[key_columns:] for row in rows}


def _finding(sentence: str, service: str, archive: Archive, differences: list[str]) -> Finding:
    return Finding(Basis.ARCHIVE, sentence, service, len(archive.receipts), differences)
