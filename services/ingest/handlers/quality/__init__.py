"""Data quality: what was refused and what becomes of it, and what the catalogue knows of product codes."""
