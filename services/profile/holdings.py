"""What profile holds of a person, table by table; the export reads it, and a test finds what is missing."""

from collections.abc import Mapping

from shared.customers.holdings import LOG, WORKER, Holding, Nobodys, by_customer, by_subject

HOLDINGS: Mapping[str, Holding] = {
    **LOG,
    **WORKER,
    "receipts": by_subject("receipts"),
    "voids": by_subject("voids"),
    "subject_totals": by_subject("subject_totals"),
    "subjects": by_subject("subjects"),
    "attributes": by_subject("attributes"),
    "consents": by_subject("consents"),
    "moments": by_subject("moments"),
    "customers": by_customer("customers"),
    "dirty": by_customer("dirty"),
    "transitions": by_customer("transitions"),
    "tags": by_customer("tags"),
    "store_totals": Nobodys("sums over all customers of a store"),
    "products": Nobodys("the catalogue"),
    "stores": Nobodys("the catalogue"),
    "rfm_bounds": Nobodys("limits between fifths of all customers"),
}
