"""The shapes that ingest's routes take and give."""
