"""What recommend holds of a person, table by table; the export reads it, and a test finds what is missing."""

from collections.abc import Mapping

from shared.customers.holdings import LOG, WORKER, Holding, Nobodys, by_customer, by_subject

HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    **WORKER,
    "receipts": by_subject("receipts"),
    "consents": by_subject("consents"),
    "changed_subjects": by_subject("changed_subjects"),
    "session_views": by_subject("session_views"),
    "shown": by_customer("shown"),
    "activity": by_customer("activity"),
    "retention_marks": Nobodys("how far bodies of the log have expired"),
    "coupons": by_customer("coupons"),
    "redemptions": by_customer("redemptions"),
    "segment_memberships": by_customer("segment_memberships"),
    "segment_sales": Nobodys("sums over the members of segments, none of fewer than twenty"),
    "rules": Nobodys("what the shop wants on its lists"),
    "placement_settings": Nobodys("how lists are made"),
    "policy_changes": Nobodys("what the shop's own people changed, by the name of their key"),
    "explored": Nobodys("products that were tried, by request; whose request it was is in shown"),
    "popularity": Nobodys("sums over all customers"),
    "products": Nobodys("the catalogue"),
    "prices": Nobodys("the catalogue"),
    "stock": Nobodys("the catalogue"),
    "stores": Nobodys("the catalogue"),
    "experiments": Nobodys("what is tried, not on whom"),
    "trainings": Nobodys("when models were trained"),
    "shadows": Nobodys("which version is looked at"),
    "shadow_days": Nobodys("sums over lists"),
    "quality_days": Nobodys("figures over all lists of a day"),
    "experiment_results": Nobodys("sums over all who took part"),
}
