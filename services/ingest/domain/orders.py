"""What an order's newer document does to what was recorded of it: nothing, the first sale, or another in its place.

Documents come in any order and again; the one that was edited last counts, whichever comes first.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Literal
from uuid import UUID

Step = Literal["first", "repeat", "edit", "superseded", "cancel"]


@dataclass(frozen=True, slots=True)
class OrderTold:
    """A document of an order: when that was edited last, and whether it takes the order back."""

    order_id: str
    edited_at: datetime
    cancels: bool = False

    def version(self, content: bytes) -> str:
        """Return what tells this edit from others of the order."""
        return f"{self.edited_at.astimezone(UTC).isoformat()}/{content.hex()}"


@dataclass(frozen=True, slots=True)
class Standing:
    """What an order comes to, as far as was told: the receipt that counts, what that says, and as of when."""

    source_id: str
    event_id: UUID
    content: bytes | None
    """None: only taken back so far; its sale has not come."""
    edited_at: datetime
    version: str = ""
    """Empty for the first."""
    is_cancelled: bool = False

    def seen(self, edited_at: datetime) -> "Standing":
        return replace(self, edited_at=max(self.edited_at, edited_at))


def step_of(standing: Standing | None, told: OrderTold, content: bytes, source_id: str) -> Step:
    """Say what a document does. An order that another source told of first is that source's to edit."""
    if told.cancels:
        return "cancel"
    if standing is None or standing.content is None or standing.source_id != source_id:
        return "first"
    if standing.content == content:
        return "repeat"
    # Two edits of one second: some order, and the same one whichever comes first.
    is_newer = (told.edited_at, content) > (standing.edited_at, standing.content)
    return "edit" if is_newer and not standing.is_cancelled else "superseded"
