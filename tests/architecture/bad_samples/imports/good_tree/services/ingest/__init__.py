"""The ingest service of the sample."""
