"""Alembic's entry: runs the migrations of the profile service against its own tables."""

from services.profile.tables import metadata
from shared.migrations import run_environment

run_environment(metadata)
