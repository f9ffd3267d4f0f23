"""The proof of the books: every figure that is kept is counted again from what it stands for."""

from dataclasses import dataclass

from services.campaign.store.redemptions import USED_BY
from shared.db import Database

_SHOWN_MAX = 10

_STANDING = (
    "(SELECT redemption_id, coupon_id, campaign_id, discount_minor,"
    f" {USED_BY} AS customer_id FROM redemption_items AS items WHERE NOT EXISTS"
    " (SELECT 1 FROM rollbacks WHERE rollbacks.redemption_id = items.redemption_id)) AS standing"
)

# Each query returns the rows that contradict its sentence.
_CHECKS: dict[str, str] = {
    "every posting of the points ledger sums to zero": (
        "SELECT posting_id, sum(points) AS points FROM ledger_lines GROUP BY posting_id HAVING sum(points) <> 0"
    ),
    "every points balance equals its ledger lines": (
        "SELECT subject_id, account.active, account.debt, account.spent, account.expired,"
        " lines.active AS ledger_active, lines.debt AS ledger_debt, lines.spent AS ledger_spent,"
        " lines.expired AS ledger_expired"
        " FROM points_accounts AS account FULL JOIN (SELECT subject_id,"
        "  coalesce(sum(points) FILTER (WHERE account = 'member.active'), 0) AS active,"
        "  coalesce(-sum(points) FILTER (WHERE account = 'member.debt'), 0) AS debt,"
        "  coalesce(sum(points) FILTER (WHERE account = 'programme.redeemed'), 0) AS spent,"
        "  coalesce(sum(points) FILTER (WHERE account = 'programme.expired'), 0) AS expired"
        "  FROM ledger_lines GROUP BY subject_id) AS lines USING (subject_id)"
        " WHERE (coalesce(account.active, 0), coalesce(account.debt, 0), coalesce(account.spent, 0),"
        "  coalesce(account.expired, 0)) IS DISTINCT FROM (coalesce(lines.active, 0), coalesce(lines.debt, 0),"
        "  coalesce(lines.spent, 0), coalesce(lines.expired, 0))"
    ),
    "the open lots of every account equal its active points": (
        "SELECT subject_id, account.active, lots.remaining FROM points_accounts AS account FULL JOIN"
        " (SELECT subject_id, sum(remaining) AS remaining FROM points_lots GROUP BY subject_id) AS lots"
        " USING (subject_id) WHERE coalesce(account.active, 0) <> coalesce(lots.remaining, 0)"
    ),
    "what a transfer gave back, it took from whoever had borrowed it": (
        "SELECT split_part(source_id, '/', 1) AS request_id, split_part(source_id, '/', 2) AS lot_id,"
        " sum(points) AS points FROM ledger_lines WHERE source = 'transfer' AND account LIKE 'member.%'"
        # Of somebody who was erased, one half is left.
        " GROUP BY 1, 2 HAVING count(DISTINCT subject_id) = 2 AND sum(points) <> 0"
    ),
    "every coupon was used as often as redemptions stand, and no more than it may be": (
        "SELECT coupon_id, uses, uses_max, count(standing.coupon_id) AS redemptions FROM coupons"
        f" LEFT JOIN {_STANDING} USING (coupon_id) GROUP BY coupon_id"
        " HAVING uses <> count(standing.coupon_id) OR uses > uses_max"
    ),
    "every campaign gave what its redemptions say, and no more than its caps": (
        "SELECT caps.campaign_id, caps.uses, caps.discount_minor, count(standing.coupon_id) AS redemptions,"
        " coalesce(sum(standing.discount_minor), 0) AS redeemed_minor FROM campaign_caps AS caps"
        f" LEFT JOIN {_STANDING} USING (campaign_id) GROUP BY caps.campaign_id"
        " HAVING caps.uses <> count(standing.coupon_id)"
        " OR caps.discount_minor <> coalesce(sum(standing.discount_minor), 0)"
        " OR caps.uses > caps.uses_max OR caps.discount_minor > caps.discount_max_minor"
    ),
    "every customer used as often as redemptions stand, and no more than they may": (
        "SELECT counted.campaign_id, counted.customer_id, counted.uses, count(standing.coupon_id) AS redemptions"
        f" FROM customer_uses AS counted LEFT JOIN {_STANDING} USING (campaign_id, customer_id)"
        " GROUP BY counted.campaign_id, counted.customer_id HAVING counted.uses <> count(standing.coupon_id)"
    ),
    "every redemption's discount is the sum of its coupons'": (
        "SELECT redemption_id, redemptions.discount_minor, sum(items.discount_minor) AS coupons_minor"
        " FROM redemptions LEFT JOIN redemption_items AS items USING (redemption_id) GROUP BY redemption_id"
        " HAVING redemptions.discount_minor <> coalesce(sum(items.discount_minor), 0)"
    ),
    "nobody of a hold-out was issued a coupon or sent a message": (
        "SELECT campaign_id, customer_id, arm FROM participants WHERE arm <> 'treated' AND"
        " (EXISTS (SELECT 1 FROM coupons WHERE coupons.campaign_id = participants.campaign_id"
        "  AND coupons.customer_id = participants.customer_id)"
        " OR EXISTS (SELECT 1 FROM messages WHERE messages.campaign_id = participants.campaign_id"
        "  AND messages.customer_id = participants.customer_id))"
    ),
}


@dataclass(frozen=True, slots=True)
class Proved:
    """One sentence about the books, and the first rows that contradict it."""

    claim: str
    contradictions: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not self.contradictions


async def prove(database: Database) -> list[Proved]:
    """Count everything again; all in one snapshot, so that it may run while tills redeem."""
    proved = []
    async with database.transaction(isolation="repeatable_read") as tx:
        for claim, query_sql in _CHECKS.items():
            rows = await tx.fetch(f"{query_sql} LIMIT {_SHOWN_MAX}")
            proved.append(Proved(claim, tuple(", ".join(f"{k}={v}" for k, v in row.items()) for row in rows)))
    return proved
