"""Alembic's way into ingest's own database."""

from services.ingest.tables import metadata
from shared.migrations import run_environment

run_environment(metadata)
