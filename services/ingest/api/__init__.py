"""The routes of ingest: parse, call a handler, answer."""

from collections.abc import Sequence

from fastapi import APIRouter

from services.ingest.api import clients, events, identities, imports, people, receipts, sources, stores, webhooks
from shared.http import log


def routers() -> Sequence[APIRouter]:
    """Return every router of the service, its numbered log included."""
    own = (receipts, people, clients, events, identities, sources)
    return (*(module.router for module in own), *_more(), log.router)


def _more() -> Sequence[APIRouter]:
    """Return the routers of files, webhooks and stores; two where some routes read bodies by themselves."""
    return (imports.router, imports.steering, webhooks.router, webhooks.connecting, stores.router)
