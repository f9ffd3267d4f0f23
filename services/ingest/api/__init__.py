"""The routes of ingest: parse, call a handler, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ingest.api import (
    clients,
    deciding,
    erasures,
    events,
    exports,
    identities,
    imports,
    people,
    plans,
    quality,
    receipts,
    refusals,
    sources,
    stores,
    terminals,
    webhooks,
)
from shared.http import log
from shared.http.direct import DirectRoutes


def direct_routes() -> DirectRoutes:
    """Return the routes that accept events or name a subject, for the front of the application's routes."""
    return DirectRoutes({**receipts.DIRECT, **clients.DIRECT, **identities.DIRECT})


def routers() -> Sequence[APIRouter]:
    """Return every router of the service, its numbered log included."""
    own = (receipts, people, clients, events, identities, deciding, refusals, sources, plans, quality, terminals)
    return (*(module.router for module in own), refusals.bulk, *_more(), log.router)


def _more() -> Sequence[APIRouter]:
    """Return the routers of files, webhooks, stores and privacy; two where some routes read bodies by themselves."""
    files = (imports.router, imports.steering)
    return (*files, webhooks.router, webhooks.connecting, stores.router, erasures.router, exports.router)
