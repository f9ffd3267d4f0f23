"""Owns keeping the customers in memory what they are in the database: read once, then whatever changes, for ever.

Everything is read in one loop, first what changed and then whoever that touches, so nothing that was read earlier
ever comes after something read later.
"""

import asyncio
import time
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from uuid import UUID

import structlog

from services.recommend import metrics
from services.recommend.domain.sharing import Share
from services.recommend.serving.customers import Customers
from services.recommend.store import changes, customers
from services.recommend.store.changes import CHANGES_MAX, CHANNEL, KEPT_SECONDS, Mark
from shared.db import Database, Transaction
from shared.errors import TransientError
from shared.log.bell import Bell

log = structlog.get_logger()

POLL_SECONDS = 0.5
PAUSE_SECONDS = 0.02
PAUSE_MAX_SECONDS = 0.25
PAUSES_PER_LOOK = 3
"""Between two looks lies at least the one, at most the other, and in between so many times as long as the look took.

However often the database rings, most of the process's time is for answers, and what tills sell meanwhile is read in
one go instead of customer by customer.
"""
LISTEN_AGAIN_SECONDS = 1.0
READ_AT_ONCE = 16
READ_MAX = 512
"""Of more changed subjects than this at a look, as an import makes them, the rest is forgotten and read on later."""
WANTED_MAX = 1000
WAITING_MAX = 100_000
WINDOW = timedelta(days=7)
EMPTY_WINDOWS_MAX = 60
"""So many weeks without a receipt are taken for the time before the first."""
ASLEEP_SECONDS = KEPT_SECONDS / 2
_FOREVER = datetime.max.replace(tzinfo=UTC)


class Following:
    """Reads the most recently active customers of a share into memory, and whatever changes of anybody."""

    def __init__(
        self,
        database: Database,
        kept: Customers,
        share: Share | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with nothing read."""
        self._database = database
        self._kept = kept
        self._share = share or Share()
        self._monotonic = monotonic
        self._bell = Bell()
        self._mark: Mark | None = None
        self._seen: Mapping[UUID, int] = {}
        self._wanted: dict[UUID, None] = {}
        self._window: tuple[datetime, datetime] | None = None
        """Whoever bought in it is read next; None when nobody is left who was never read."""
        self._empty_windows = 0
        self._looking = asyncio.Lock()
        self._waiting: deque[UUID] = deque()
        self._looked_at = monotonic()

    @property
    def silent_seconds(self) -> float:
        """Return how long ago the database last answered."""
        return self._monotonic() - self._looked_at

    @property
    def is_loading(self) -> bool:
        """Say whether there are customers that were never read."""
        return self._mark is None or self._window is not None or bool(self._waiting)

    def want(self, customer_or_subject_id: UUID) -> None:
        """Have somebody read who was asked for and is not in memory."""
        if len(self._wanted) < WANTED_MAX:
            self._wanted[customer_or_subject_id] = None
            self._bell.ring()

    async def run(self) -> None:
        """Follow until cancelled; a database that is away is looked for again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._listen())
            tasks.create_task(self._look())

    async def _listen(self) -> None:
        while True:
            try:
                await self._database.listen(CHANNEL, self._bell.ring)
            except TransientError:
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)

    async def _look(self) -> None:
        while True:
            began = self._monotonic()
            try:
                await self.look()
            except TransientError as away:
                metrics.FOLLOW_FAILURES.inc()
                log.warning("customers.away", reason=str(away))
                await asyncio.sleep(POLL_SECONDS)
            except Exception:
                # A bug in reading one customer must not end what keeps all others fresh.
                metrics.FOLLOW_FAILURES.inc()
                log.exception("customers.failed")
                await asyncio.sleep(LISTEN_AGAIN_SECONDS)
            if self.is_loading:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                await asyncio.sleep(pause_after(self._monotonic() - began))
                await self._bell.wait(POLL_SECONDS)

    async def look(self) -> None:
        """Read what changed and who was wanted since the last look, and some of those never read."""
        async with self._looking, self._database.session() as session:
            found = await changes.since(session, self._mark.upto if self._mark is not None else 0)
            if self._is_to_start_anew(found.mark, len(found.changed_in)):
                self._start_anew(found.mark)
            else:
                fresh = [one for one, changed_in in found.changed_in.items() if self._seen.get(one) != changed_in]
                await self._forget(session, fresh[READ_MAX:])
                await self._read(session, [*fresh[:READ_MAX], *self._take_wanted()])
                self._mark, self._seen = found.mark, found.changed_in
            self._looked_at = self._monotonic()
            metrics.FOLLOWED_AT.set(found.mark.at.timestamp())
            await self._read_on(session)
        metrics.CUSTOMERS_TO_READ.set(len(self._waiting))

    def _is_to_start_anew(self, now: Mark, changed: int) -> bool:
        last = self._mark
        if last is None or now.epoch != last.epoch or now.upto < last.upto:
            return True
        return changed > CHANGES_MAX or (now.at - last.at).total_seconds() > ASLEEP_SECONDS

    def _start_anew(self, mark: Mark) -> None:
        log.info("customers.read_anew", epoch=mark.epoch, remembered=len(self._kept))
        self._kept.clear()
        self._waiting.clear()
        self._mark, self._seen = mark, {}
        self._window, self._empty_windows = (mark.at - WINDOW, _FOREVER), 0

    def _take_wanted(self) -> Sequence[UUID]:
        wanted, self._wanted = list(self._wanted), {}
        return wanted

    async def _forget(self, session: Transaction, subject_ids: Sequence[UUID]) -> None:
        for start in range(0, len(subject_ids), READ_MAX):
            some = subject_ids[start : start + READ_MAX]
            touched = await changes.touched(session, some)
            self._kept.replace(self._kept.owners({*some, *(each.subject_id for each in touched)}), ())
            self._waiting.extend(some[: max(WAITING_MAX - len(self._waiting), 0)])

    async def _read(self, session: Transaction, subject_ids: Sequence[UUID]) -> None:
        for start in range(0, len(subject_ids), READ_AT_ONCE):
            some = subject_ids[start : start + READ_AT_ONCE]
            touched = await changes.touched(session, some)
            # Also whose they were until now: they lose what these had bought.
            before = self._kept.owners({*some, *(each.subject_id for each in touched)})
            now = {each.customer_id for each in touched if self._share.holds(each.customer_id)}
            await self._read_customers(session, before | now)

    async def _read_customers(self, session: Transaction, customer_ids: Collection[UUID]) -> None:
        if customer_ids:
            with metrics.FOLLOW_SECONDS.time():
                read = await customers.known_of(session, customer_ids)
            for customer_id in customer_ids:
                self._kept.replace([customer_id], [each for each in read if each.customer_id == customer_id])
                # Folding takes a millisecond: whoever asks meanwhile is answered between two of them.
                await asyncio.sleep(0)

    async def _read_on(self, session: Transaction) -> None:
        """Read some more of those who were never read, the most recently active first, while there is room."""
        if not self._waiting and self._window is not None:
            await self._find_more(session, *self._window)
        some = [self._waiting.popleft() for _ in range(min(READ_AT_ONCE, len(self._waiting)))]
        await self._read(session, [each for each in some if not self._kept.owners([each])])

    async def _find_more(self, session: Transaction, since: datetime, before: datetime) -> None:
        if self._kept.is_full or self._empty_windows == EMPTY_WINDOWS_MAX:
            self._window = None
            log.info("customers.in_memory", remembered=len(self._kept))
            return
        self._waiting.extend(await customers.active(session, since, before))
        self._empty_windows = 0 if self._waiting else self._empty_windows + 1
        self._window = since - WINDOW, since


def pause_after(look_seconds: float) -> float:
    """Return how long to wait after a look at what changed."""
    return min(max(PAUSES_PER_LOOK * look_seconds, PAUSE_SECONDS), PAUSE_MAX_SECONDS)
