"""Accepting: what comes in gets an id and a subject, and is stored exactly once."""
