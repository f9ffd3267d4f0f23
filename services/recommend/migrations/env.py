"""Alembic's entry: runs the migrations of the recommend service against its own tables."""

from services.recommend.tables import metadata
from shared.migrations import run_environment

run_environment(metadata)
