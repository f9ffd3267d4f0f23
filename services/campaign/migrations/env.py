"""Alembic's environment: the tables of campaign."""

from services.campaign.tables import metadata
from shared.migrations import run_environment

run_environment(metadata)
