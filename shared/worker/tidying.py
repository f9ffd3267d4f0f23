"""Taking away what time makes superfluous in derived tables: hourly in the worker, and on both sides of a rebuild."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime

from shared.db import Database, Transaction
from shared.worker.deadletters import expire_letters

Step = Callable[[Transaction, datetime], Awaitable[bool]]
"""`step(tx, now)` takes a bounded lot away and says whether more may be left. What is left is a function of the
events and of `now`: both sides of a rebuild are tidied as of one moment."""

TIDY_SECONDS = 3600.0
EVERY_CONSUMERS: Sequence[Step] = (expire_letters,)


async def tidy(database: Database, now: datetime, steps: Sequence[Step]) -> None:
    """Take away all that is due, a transaction for each lot."""
    for step in (*EVERY_CONSUMERS, *steps):
        more = True
        while more:
            async with database.transaction() as tx:
                more = await step(tx, now)
