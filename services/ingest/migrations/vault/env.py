"""Alembic's way into the vault of keys."""

from services.ingest.tables import vault_metadata
from shared.migrations import run_environment

run_environment(vault_metadata)
