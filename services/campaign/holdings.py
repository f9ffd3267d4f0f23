"""What campaign holds of a person, table by table; the export reads it, and a test finds what is missing."""

from collections.abc import Mapping

from shared.customers.holdings import ANSWERS, LOG, WORKER, Held, Holding, Nobodys, by_customer, by_subject

HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    **WORKER,
    "receipts": by_subject("receipts"),
    "consents": by_subject("consents"),
    "segment_memberships": by_customer("segment_memberships"),
    "warnings": by_customer("warnings"),
    "participants": by_customer("participants"),
    "messages": by_customer("messages"),
    "coupons": by_customer("coupons"),
    "customer_uses": by_customer("customer_uses"),
    "redemptions": by_customer("redemptions"),
    "redemption_items": by_customer("redemption_items"),
    "points_accounts": by_subject("points_accounts"),
    "points_lots": by_subject("points_lots"),
    "ledger_lines": by_subject("ledger_lines"),
    "idempotency_keys": ANSWERS,
    "voids": Held(
        "SELECT to_jsonb(held) AS row FROM voids held WHERE receipt_id IN"
        " (SELECT receipt_id FROM receipts WHERE subject_id = ANY($1::uuid[]))"
    ),
    "families": Held(
        "SELECT to_jsonb(held) AS row FROM families held WHERE family_id IN"
        " (SELECT receipt_id FROM receipts WHERE subject_id = ANY($1::uuid[]))"
    ),
    "rollbacks": Held(
        "SELECT to_jsonb(held) AS row FROM rollbacks held WHERE redemption_id IN"
        " (SELECT redemption_id FROM redemptions WHERE customer_id = ANY($1::uuid[]))"
    ),
    "products": Nobodys("the catalogue"),
    "stores": Nobodys("the catalogue"),
    "campaigns": Nobodys("plans, by their actors"),
    "campaign_caps": Nobodys("sums over all customers of a campaign"),
}
