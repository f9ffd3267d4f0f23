"""Identity: which identifiers are one customer, decided where events are numbered, and why."""
