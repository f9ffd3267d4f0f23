"""Items of a file as drafts: the same understanding, the same refusals, as the routes have."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from services.ingest.drafts import Context, Draft, Rejected
from services.ingest.mapping.files.again import kept
from services.ingest.mapping.files.items import Entry
from services.ingest.mapping.people import draft_customer
from services.ingest.mapping.reading import Drafting, draft_each, own_message_id
from services.ingest.mapping.receipts import draft_receipt
from services.ingest.mapping.standard import Codes
from services.ingest.mapping.things import CATALOGUE, drafting_of

DRAFTING: Mapping[str, Drafting] = {
    "customers": draft_customer,
    "receipts": draft_receipt,
    **{kind: drafting_of(kind) for kind in CATALOGUE},
}
"""Route → how one of its items is understood."""


@dataclass(frozen=True, slots=True)
class Judge:
    """Understands the items of one file.

    An item without a number or time of its own gets one from the file: its line, under the digest of the file, so
    that the same file changes nothing a second time; or the moment as of which the sender says that the file is true,
    so that of a corrected file only what differs is news.
    """

    route: str
    context: Context
    digest: bytes
    as_of: datetime | None
    file: Mapping[str, Any] = field(default_factory=lambda: {"kind": "receipts"})
    """How the file is read, as `mapping.files.again.told` says it: kept with what could not be read."""

    def knowing(self, codes: Codes) -> "Judge":
        """Return one that also knows what the catalogue says of these product codes."""
        return replace(self, context=replace(self.context, codes=codes))

    def judged(self, entry: Entry, place: int) -> Draft | Rejected:
        if entry.item is None:
            assert entry.fault is not None
            own = {} if self.route == "receipts" else self._own_number(entry)
            return Rejected(place, self.context, self.route, entry.fault, kept(entry, self.file, own))
        item = entry.item
        if self.route != "receipts" and "message_id" not in item and "occurred_at" not in item:
            item = {**item, **self._own_number(entry)}
        (judged,) = draft_each([item], self.route, self.context, DRAFTING[self.route], own_message_id)
        if isinstance(judged, Rejected) and self.route == "receipts" and self.file.get("reading"):
            # Its currency may be the file's.
            judged = replace(judged, original=kept(replace(entry, original=judged.original), self.file, {}))
        return replace(judged, place=place)

    def _own_number(self, entry: Entry) -> dict[str, str]:
        if self.as_of is not None:
            return {"occurred_at": self.as_of.isoformat()}
        return {"message_id": f"{self.digest.hex()[:32]}-{entry.lines[0]}"}
