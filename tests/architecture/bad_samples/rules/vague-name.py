# lies at: shared/utils.py  # breaks the rule
"""Owns nothing in particular."""
