"""Completeness: which numbers a terminal has used and not sent, told from nothing but those that came."""

from dataclasses import dataclass
from datetime import date

from services.ingest.domain.epochs import Epoch
from services.ingest.domain.runs import RUNS_MAX, Run, Runs, gaps_between, size
from services.ingest.errors import StoreNotAllowed, TerminalNotFound
from services.ingest.store import terminals
from shared.db import Database
from shared.keys import Caller


@dataclass(frozen=True, slots=True)
class CountedRun:
    """One run of numbers: those that came and those that did not."""

    sequence_epoch: int
    came: Runs

    @property
    def first_number(self) -> int:
        return self.came[0][0]

    @property
    def last_number(self) -> int:
        return self.came[-1][1]

    @property
    def gaps(self) -> Runs:
        return gaps_between(self.came)

    @property
    def received(self) -> int:
        return size(self.came)

    @property
    def missing(self) -> int:
        return size(self.gaps)

    @property
    def is_complete(self) -> bool:
        return len(self.came) < RUNS_MAX


@dataclass(frozen=True, slots=True)
class TerminalDayGaps:
    """What a terminal's day lacks."""

    runs: tuple[CountedRun, ...]
    since_day_before: Run | None


async def gaps_of(database: Database, caller: Caller, day: tuple[str, str, date]) -> TerminalDayGaps:
    """Return what a terminal's day lacks. Raises StoreNotAllowed, TerminalNotFound."""
    if not caller.serves_store(day[0]):
        raise StoreNotAllowed("this key is not for that store; use the store's own", field="store_id")
    epochs = await terminals.day_of(database, day)
    if not epochs:
        raise TerminalNotFound("nothing came from this terminal on that day", field="terminal_id")
    runs = tuple(CountedRun(epoch.number, epoch.received) for epoch in epochs if epoch.received)
    before = await terminals.last_before(database, day)
    return TerminalDayGaps(runs, None if before is None else since(before[1], epochs[0]))


def since(last_before: int, first: Epoch) -> Run | None:
    """Return what is missing between two days of a till that counts on; one that starts anew is no gap."""
    begins = first.received[0][0] if first.received else first.last_sequence
    return (last_before + 1, begins - 1) if begins > last_before + 1 else None


def visible_stores(caller: Caller, store_id: str | None) -> frozenset[str] | None:
    """Return the stores that a caller may list, narrowed to one that was asked for. Raises StoreNotAllowed."""
    if store_id is not None:
        if not caller.serves_store(store_id):
            raise StoreNotAllowed("this key is not for that store; use the store's own", field="store_id")
        return frozenset({store_id})
    return caller.own_store_ids
