"""Owns the recount behind `regulars verify`: what the services hold, held against what was archived."""
