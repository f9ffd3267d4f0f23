"""The routes of ingest: parse, call a handler, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ingest.api import (
    clients,
    events,
    identities,
    people,
    plans,
    quality,
    receipts,
    refusals,
    sources,
    terminals,
)
from shared.http import log
from shared.http.direct import DirectRoutes


def direct_routes() -> DirectRoutes:
    """Return the routes that accept events, for the front of the application's routes."""
    return DirectRoutes({**receipts.DIRECT, **clients.DIRECT})


def routers() -> Sequence[APIRouter]:
    """Return every router of the service, its numbered log included."""
    own = (receipts, people, clients, events, identities, refusals, sources, plans, quality, terminals)
    return (*(module.router for module in own), refusals.bulk, log.router)
