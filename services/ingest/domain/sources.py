"""Who may say what: the kinds of source, and the trust that comes with each."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Literal

from services.ingest.domain.bots import BotFilter
from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.plans import Plan

EnvelopeKind = Literal["pos", "server", "web", "app", "file"]


class SourceKind(StrEnum):
    """What a source is. The key of a public kind can be read out of a web page or an app by anyone."""

    POS = "pos"
    SERVER = "server"
    IMPORT = "import"
    WEB = "web"
    APP = "app"

    @property
    def is_secret(self) -> bool:
        """Whether only the retailer's own systems hold the key."""
        return self not in {SourceKind.WEB, SourceKind.APP}


_ENVELOPE_KINDS: Mapping[SourceKind, EnvelopeKind] = {
    SourceKind.POS: "pos",
    SourceKind.SERVER: "server",
    SourceKind.IMPORT: "file",
    SourceKind.WEB: "web",
    SourceKind.APP: "app",
}


@dataclass(frozen=True, slots=True)
class Source:
    """Somebody who sends events."""

    source_id: str
    kind: SourceKind
    store_ids: frozenset[str] | None = None
    """The stores it may speak for; None: every store."""
    disabled_at: datetime | None = None
    limit: RateLimit | None = None
    bot_filter: BotFilter = BotFilter.OFF
    plan: Plan | None = field(default=None, repr=False)

    @property
    def may_record_receipts(self) -> bool:
        return self.kind.is_secret

    @property
    def may_link(self) -> bool:
        """Whether two identifiers in one of its events are believed to be one person's.

        A public source speaks for its device alone: a user id or e-mail there is a claim by a stranger.
        """
        return self.kind.is_secret

    @property
    def envelope_kind(self) -> EnvelopeKind:
        return _ENVELOPE_KINDS[self.kind]

    def speaks_for(self, store_id: str) -> bool:
        return self.store_ids is None or store_id in self.store_ids
