"""All SQL of ingest, named by intent. Rows are written in sorted order, so that overlapping requests never deadlock."""
