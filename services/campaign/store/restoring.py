"""What a back-up cannot know of campaigns: whom they have written to since."""

from dataclasses import dataclass
from datetime import datetime

from shared.db import Transaction


@dataclass(frozen=True, slots=True)
class Held:
    """What was stopped because it may have gone out already."""

    campaigns: int
    messages: int
    plans: int


async def hold_back(tx: Transaction, now: datetime) -> Held:
    """Stop the campaigns that were under way, suppress what waited in them, and ask for approvals anew.

    Coupons stay valid: whoever was written to since the back-up holds one.
    """
    campaigns = await tx.execute(
        "UPDATE campaigns SET state = 'stopped', stopped_at = $1 WHERE state IN ('running', 'paused')", now
    )
    messages = await tx.execute(
        "UPDATE messages SET state = 'suppressed', reason = 'restored', settled_at = $1"
        " WHERE state IN ('waiting', 'sending')",
        now,
    )
    plans = await tx.execute(
        "UPDATE campaigns SET state = 'draft', approved_at = NULL, approved_by = NULL WHERE state = 'approved'"
    )
    return Held(campaigns, messages, plans)
