"""The profile service of the sample."""
