"""What routes find on the application: settings, stores, vault, clock; and the context of one request."""

from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request

from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Secrets
from services.ingest.handlers.closing import ClosedBook
from services.ingest.handlers.grouping import GroupCommit
from services.ingest.handlers.registering import SourceBook
from services.ingest.settings import Settings
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.db import Database
from shared.http.auth import requires
from shared.keys import EVERYTHING, Caller


@dataclass(frozen=True, slots=True)
class Ingest:
    """Everything that routes need, opened by the lifespan."""

    settings: Settings
    database: Database
    vault: Vault
    secrets: Secrets
    clock: Clock
    sources: SourceBook
    acceptor: GroupCommit
    closed: ClosedBook

    def context(self, source: Source) -> Context:
        return Context(
            source=source,
            received_at=self.clock.now(),
            secrets=self.secrets,
            region=self.settings.region,
            currency=self.settings.currency,
            time_zone=self.settings.time_zone,
        )


async def ingest_of(request: Request) -> Ingest:
    found: Ingest = request.app.state.ingest
    return found


def source_of(caller: Caller) -> Source:
    """Return an API key as a source: a store's key is a till, any other a server."""
    kind = SourceKind.POS if caller.role == "store" else SourceKind.SERVER
    stores = None if EVERYTHING in caller.store_ids else caller.store_ids
    return Source(caller.key_id, kind, stores)


IngestDep = Annotated[Ingest, Depends(ingest_of)]
Writer = Annotated[Caller, Depends(requires("ingest:write"))]
Reader = Annotated[Caller, Depends(requires("ingest:read"))]
Admin = Annotated[Caller, Depends(requires("ingest:admin"))]
