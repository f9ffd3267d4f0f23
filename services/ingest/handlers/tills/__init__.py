"""Tills: how wrong their clocks are, and which of their receipts are missing."""
