"""The use cases of ingest: look up, decide, store in one transaction."""
