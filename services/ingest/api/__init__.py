"""The routes of ingest: parse, call a handler, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ingest.api import clients, erasures, events, exports, identities, people, receipts, sources
from shared.http import log


def routers() -> Sequence[APIRouter]:
    """Return every router of the service, its numbered log included."""
    own = (receipts, people, clients, events, identities, sources, erasures, exports)
    return (*(module.router for module in own), log.router)
