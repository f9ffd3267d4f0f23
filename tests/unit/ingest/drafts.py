"""Events on their way into the archive, made as the service makes them."""

from datetime import UTC, datetime
from itertools import count

from services.ingest.domain.identifiers import identify
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Draft, Secrets
from services.ingest.handlers.accepting.lookups import Found
from services.ingest.handlers.accepting.ordering import Orders
from services.ingest.handlers.accepting.settling import Ready, settle
from shared.events.behaviour import PageViewedV1

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRETS = Secrets.derive(bytes(32))
CONTEXT = Context(Source("server", SourceKind.SERVER), NOW, SECRETS, "CN", "CNY", "Asia/Shanghai")
_numbers = count(1)


def ready_of(*identifiers: tuple[str, str]) -> Ready:
    """Return a page view of whoever these (namespace, value) pairs are, of a source that may link them."""
    number = next(_numbers)
    found = identify(SECRETS.blind, [(*pair, "/identifiers") for pair in identifiers], "CN")
    draft = Draft(
        place=0,
        context=CONTEXT,
        kind="page",
        key=f"page-{number}",
        at_ms=0,
        occurred_at=NOW,
        content=b"",
        original=b"{}",
        says=lambda _: [PageViewedV1(path="/")],
        identifiers=found.identifiers,
        links=True,
    )
    return settle(draft, Found(SECRETS), {}, Orders(SECRETS))
