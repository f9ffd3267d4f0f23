"""What routes find on the application: settings, stores, vault, clock; and the context of one request."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Annotated, Any

from fastapi import Depends, Request

from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Secrets
from services.ingest.errors import RateLimited
from services.ingest.handlers.accepting.aging import HeldBook
from services.ingest.handlers.accepting.closing import ClosedBook
from services.ingest.handlers.files.importing import Imports
from services.ingest.handlers.quality.cataloguing import CodeBook
from services.ingest.handlers.quality.resolving import Resolver
from services.ingest.handlers.sources.counting import Counted, Tally
from services.ingest.handlers.sources.limiting import Limiter
from services.ingest.handlers.sources.registering import SourceBook
from services.ingest.handlers.sources.webhooks import Webhooks
from services.ingest.handlers.tills.clockwatching import ClockWatch
from services.ingest.settings import Settings
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.db import Database
from shared.http.auth import requires
from shared.keys import Caller


@dataclass(frozen=True, slots=True)
class Ingest:
    """Everything that routes need, opened by the lifespan."""

    settings: Settings
    database: Database
    vault: Vault
    secrets: Secrets
    clock: Clock
    sources: SourceBook
    acceptor: Counted
    tally: Tally
    limiter: Limiter
    codes: CodeBook
    clocks: ClockWatch
    imports: Imports
    webhooks: Webhooks
    held: HeldBook
    closed: ClosedBook

    @property
    def resolver(self) -> Resolver:
        return Resolver(
            self.database, self.vault, self.secrets, self.clock, self.sources, self.acceptor, self.context_of
        )

    async def context_of(self, source: Source, received_at: datetime | None, items: Sequence[Any]) -> Context:
        """Return the context of items that may be receipts: with what the catalogue says of their product codes."""
        context = replace(self.context(source), codes=await self.codes.codes_for(items))
        return context if received_at is None else replace(context, received_at=received_at)

    async def admit(self, source: Source, events: int) -> None:
        """Let so many events of a source in. Raises RateLimited, and counts what it keeps out."""
        try:
            await self.limiter.take(source, events)
        except RateLimited:
            self.tally.limited(source.source_id, events, self.clock.now())
            raise

    def context(self, source: Source) -> Context:
        return Context(
            source=source,
            received_at=self.clock.now(),
            secrets=self.secrets,
            region=self.settings.region,
            currency=self.settings.currency,
            time_zone=self.settings.time_zone,
            clock_minutes=self.clocks.corrections,
        )


async def ingest_of(request: Request) -> Ingest:
    found: Ingest = request.app.state.ingest
    return found


def source_of(caller: Caller) -> Source:
    """Return an API key as a source: a store's key is a till, any other a server."""
    kind = SourceKind.POS if caller.role == "store" else SourceKind.SERVER
    limit = None if caller.limit is None else RateLimit(caller.limit.events_per_second, caller.limit.burst)
    return Source(caller.key_id, kind, caller.own_store_ids, limit=limit)


IngestDep = Annotated[Ingest, Depends(ingest_of)]
WRITES = requires("ingest:write")
Writer = Annotated[Caller, Depends(WRITES)]
Reader = Annotated[Caller, Depends(requires("ingest:read"))]
Admin = Annotated[Caller, Depends(requires("ingest:admin"))]
