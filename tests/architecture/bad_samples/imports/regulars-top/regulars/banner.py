"""Imports nothing, so that importing it breaks one contract only."""
