"""Counting what becomes of each source's events, beside accepting and never inside its transaction.

A row of figures that every accept changed would make all of a source's requests wait for one another. So each
process adds up in memory and writes about once a second, one statement for all its sources; what is shown comes
after its own counts were written. A process that is killed loses the counts of its last second, never an event:
figures are for people to look at, the archive is the record.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Protocol
from zoneinfo import ZoneInfo

import structlog

from services.ingest import metrics
from services.ingest.domain.figures import Figures, Tallied, ViolationKey, ViolationTally, is_late
from services.ingest.domain.plans import Violation
from services.ingest.domain.quality import RULES
from services.ingest.drafts import Draft, Rejected, Result
from services.ingest.store import figures as store
from shared.db import Database
from shared.errors import TransientError

FLUSH_SECONDS = 1.0
VIOLATIONS_HELD_MAX = 5000
"""Kinds of violation between two writes; more of them are counted, not told apart."""

log = structlog.get_logger()

Inputs = Sequence[Draft | Rejected]
_FIELD_OF_STATUS = {
    "accepted": "accepted",
    "repeat": "repeated",
    "conflict": "conflicts",
    "refused": "refused",
    "dropped": "dropped",
}


class Accepts(Protocol):
    async def accept(self, inputs: Inputs) -> list[Result]: ...


@dataclass(slots=True)
class _Counts:
    figures: dict[tuple[str, date], tuple[Figures, datetime]] = field(default_factory=dict)
    quality: dict[tuple[str, str], Tallied] = field(default_factory=dict)
    violations: dict[ViolationKey, ViolationTally] = field(default_factory=dict)

    def count(self, source_id: str, day: date, figures: Figures, at: datetime) -> None:
        before, last_at = self.figures.get((source_id, day), (Figures(), at))
        self.figures[source_id, day] = (before + figures, max(last_at, at))

    def correct(self, rule: str, source_id: str, tallied: Tallied) -> None:
        before = self.quality.get((rule, source_id))
        self.quality[rule, source_id] = tallied if before is None else before.plus(tallied)

    def violate(self, key: ViolationKey, tally: ViolationTally) -> None:
        if key not in self.violations and len(self.violations) >= VIOLATIONS_HELD_MAX:
            key, tally = (key[0], "(others)", "(others)", ""), tally.anonymous()
        before = self.violations.get(key)
        self.violations[key] = tally if before is None else before.plus(tally)

    def add(self, other: "_Counts") -> None:
        for (source_id, day), (figures, at) in other.figures.items():
            self.count(source_id, day, figures, at)
        for (rule, source_id), tallied in other.quality.items():
            self.correct(rule, source_id, tallied)
        for key, tally in other.violations.items():
            self.violate(key, tally)


class Tally:
    """The counts of one process that were not written yet."""

    def __init__(self, database: Database, time_zone: str) -> None:
        self._database = database
        self._zone = ZoneInfo(time_zone)
        self._counts = _Counts()
        self._writing = asyncio.Lock()

    def day_of(self, moment: datetime) -> date:
        """Return the day on which something counts: the chain's."""
        return moment.astimezone(self._zone).date()

    def limited(self, source_id: str, events: int, at: datetime) -> None:
        self._counts.count(source_id, self.day_of(at), Figures(limited=events), at)

    def note(self, inputs: Inputs, results: Sequence[Result]) -> None:
        """Count what became of each input of one request."""
        for one, result in zip(inputs, results, strict=True):
            context = one.context
            source_id, at = context.source.source_id, context.received_at
            self._counts.count(source_id, self.day_of(at), _figures(one, result), at)
            if isinstance(one, Draft):
                for correction in one.corrections:
                    metrics.INGEST_CORRECTIONS.labels(correction.rule).inc()
                    self._counts.correct(correction.rule, source_id, Tallied(1, at))
            if result.code is not None and (result.status == "refused" or result.code in RULES):
                self._counts.correct(result.code, source_id, Tallied(1, at))
            for violation in one.violations:
                self._counts.violate(*_violated(source_id, violation, at))

    async def flush(self) -> None:
        """Write what was counted. Raises DatabaseAwayError, and then has lost nothing."""
        async with self._writing:
            counts, self._counts = self._counts, _Counts()
            if not counts.figures:
                return
            try:
                async with self._database.transaction() as tx:
                    await store.add_figures(tx, counts.figures)
                    await store.add_quality(tx, counts.quality)
                    await store.add_violations(tx, counts.violations)
            except BaseException:
                self._counts.add(counts)
                raise

    async def keep(self) -> None:
        """Write about once a second until cancelled, and then once more."""
        try:
            while True:
                await asyncio.sleep(FLUSH_SECONDS)
                try:
                    await self.flush()
                except TransientError as away:
                    log.warning("figures.not_written", reason=str(away))
                except Exception:
                    # A fault in counting must not end the counting of everybody; what was counted is kept.
                    log.exception("figures.failed")
        finally:
            with suppress(TransientError):
                await self.flush()


@dataclass(frozen=True, slots=True)
class Counted:
    """Accepts, and counts what became of it."""

    inner: Accepts
    tally: Tally
    afterwards: Sequence[Callable[[Inputs, Sequence[Result]], Awaitable[None]]] = ()
    """What else is done once everything is stored; where that fails the sender asks again, and it is made up for."""

    async def accept(self, inputs: Inputs) -> list[Result]:
        results = await self.inner.accept(inputs)
        self.tally.note(inputs, results)
        for do in self.afterwards:
            await do(inputs, results)
        return results


def _figures(one: Draft | Rejected, result: Result) -> Figures:
    counted = {_FIELD_OF_STATUS[result.status]: 1, "violations": int(bool(one.violations)), "bots": int(one.is_bot)}
    if isinstance(one, Draft):
        counted["corrected"] = int(bool(one.corrections))
        counted["late"] = int(result.status == "accepted" and is_late(one.occurred_at, one.context.received_at))
    return Figures(**counted)


def _violated(source_id: str, violation: Violation, at: datetime) -> tuple[ViolationKey, ViolationTally]:
    key = (source_id, violation.event, violation.rule, violation.path)
    return key, ViolationTally(violation.message, 1, at, at, violation.sample)
