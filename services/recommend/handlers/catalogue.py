"""Taking away what the catalogue said that can hold no more."""

from datetime import datetime, timedelta

from services.recommend.store import catalogue
from shared.db import Transaction

PRICES_KEPT_DAYS = 84
"""So long after its end a price is still there for a clock that is set back, as what was sold is."""
PRICES_AT_ONCE = 20_000


async def forget_prices(tx: Transaction, now: datetime) -> bool:
    """Delete a lot of prices that ended, or gave way to a later one, long ago; say whether more may be left.

    One that comes late and holds no more is deleted the next time: nobody reads it meanwhile.
    """
    before = now - timedelta(days=PRICES_KEPT_DAYS)
    return await catalogue.delete_prices(tx, before, PRICES_AT_ONCE) == PRICES_AT_ONCE
