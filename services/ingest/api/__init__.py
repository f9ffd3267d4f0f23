"""The routes of ingest: parse, call a handler, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ingest.api import receipts
from shared.http import log


def routers() -> Sequence[APIRouter]:
    """Return every router of the service, its numbered log included."""
    return (receipts.router, log.router)
