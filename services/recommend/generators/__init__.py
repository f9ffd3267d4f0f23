"""Candidate generators, one per file, each from plain values to scores."""
