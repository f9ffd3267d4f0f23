"""Alembic's entry: runs the migrations of the churn service against its own tables."""

from services.churn.tables import metadata
from shared.migrations import run_environment

run_environment(metadata)
