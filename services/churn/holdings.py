"""What churn holds of a person, table by table; the export reads it, and a test finds what is missing."""

from collections.abc import Mapping

from shared.customers.holdings import LOG, WORKER, Held, Holding, Nobodys, by_customer, by_subject

HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    **WORKER,
    "receipts": by_subject("receipts"),
    "consents": by_subject("consents"),
    "scores": by_customer("scores"),
    "warnings": by_customer("warnings"),
    "warning_counters": by_customer("warning_counters"),
    "warning_feedback": Held(
        "SELECT to_jsonb(held) AS row FROM warning_feedback held WHERE warning_id IN"
        " (SELECT warning_id FROM warnings WHERE customer_id = ANY($1::uuid[]))"
    ),
    "voids": Held(
        "SELECT to_jsonb(held) AS row FROM voids held WHERE voids_receipt_id IN"
        " (SELECT receipt_id FROM receipts WHERE subject_id = ANY($1::uuid[]))"
    ),
    "products": Nobodys("the catalogue"),
    "scorings": Nobodys("counts over all customers of a day"),
    "score_requests": Nobodys("which day was asked to be scored, and by which actor"),
}
