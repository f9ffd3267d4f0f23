"""The use cases of ingest, by subject: look up, decide, store in one transaction."""
