"""Ordering, of the sample."""
