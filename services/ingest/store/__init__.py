"""All SQL of ingest, named by intent. Rows are written in sorted order: overlapping requests never deadlock."""
