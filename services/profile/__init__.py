"""The profile service: known customers, what they bought, and which segments they are in."""
