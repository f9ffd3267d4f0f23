"""Owns the independent recount: what the services say, held against what was archived."""
