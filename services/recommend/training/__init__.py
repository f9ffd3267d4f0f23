"""Learns offline: receipts laid out in columns, targets by origin, fitting, judging, storing a version."""
