"""Which customer a subject belongs to, as ingest assigned it: the same few rows in every consuming service."""

from shared.customers.assignments import apply_assignments, customer_of, customers_of, owners_of, subjects_of

__all__ = ["apply_assignments", "customer_of", "customers_of", "owners_of", "subjects_of"]
