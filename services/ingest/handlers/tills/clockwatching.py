"""Watching the terminals' clocks: exchanges gather in memory and are kept every few seconds, beside all requests.

Nothing of it is on a receipt's way: a request leaves its exchange in a dictionary, and reads the corrections from
another. A process that dies takes a few exchanges with it, which the next receipts bring again.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import structlog

from services.ingest import metrics
from services.ingest.domain.clocks import EXCHANGES_MAX, Clock, ClockReading, Terminal, exchange_of, observed
from services.ingest.drafts import Draft, Rejected
from services.ingest.store import clocks as store
from shared.clock import Clock as OurClock
from shared.db import Database, is_transient

log = structlog.get_logger()

KEEP_SECONDS = 15.0
TERMINALS_MAX = 20_000
"""Followed between two keepings; the exchanges of further ones are left out until then."""


@dataclass(slots=True)
class ClockWatch:
    """The clocks of all terminals: what is known to be wrong, and what was seen since it was last kept."""

    database: Database
    clock: OurClock
    corrections: Mapping[Terminal, int] = field(default_factory=dict)
    """Minutes to add to a terminal's time; terminals that are right are not in it."""
    _seen: dict[Terminal, list[int]] = field(default_factory=dict)

    def see(self, judged: Sequence[Draft | Rejected], received_at: datetime) -> None:
        """Note what a request tells of its terminals' clocks: one exchange for each."""
        readings: dict[Terminal, list[ClockReading]] = {}
        for one in judged:
            if isinstance(one, Draft) and one.reading is not None:
                readings.setdefault(one.reading.terminal, []).append(one.reading)
        for terminal, told in readings.items():
            exchange = exchange_of(told, received_at)
            if exchange is not None and (terminal in self._seen or len(self._seen) < TERMINALS_MAX):
                seen = self._seen.setdefault(terminal, [])
                if len(seen) < EXCHANGES_MAX:
                    seen.append(exchange)

    async def watch(self) -> None:
        """Keep what was seen and read what is known, until cancelled; a database that is away is asked again."""
        while True:
            try:
                await self.keep()
            except Exception as error:
                # Receipts go on without it, with the corrections that are known.
                if is_transient(error):
                    log.warning("clocks.away", reason=str(error))
                else:
                    metrics.INGEST_BESIDE_FAILURES.labels("clocks").inc()
                    log.exception("clocks.failed")
            await asyncio.sleep(KEEP_SECONDS)

    async def keep(self) -> None:
        """Keep what was seen, together with what other processes saw, and read all corrections again."""
        seen, self._seen = self._seen, {}
        if seen:
            async with self.database.transaction() as tx:
                known = await store.clocks_of(tx, sorted(seen))
                now = {terminal: observed(known.get(terminal, Clock()), seen[terminal]) for terminal in seen}
                await store.keep_clocks(tx, now, self.clock.now())
        skewed = await store.skewed_clocks(self.database)
        metrics.INGEST_IMPLAUSIBLE_CLOCKS.set(sum(clock.is_implausible for clock in skewed.values()))
        self.corrections = {
            terminal: clock.correction_minutes for terminal, clock in skewed.items() if clock.correction_minutes
        }
