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
from services.ingest.domain.figures import COUNTED, Figures, Tallied, ViolationKey, ViolationTally, is_late
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
_PLACE_OF_STATUS = {
    "accepted": COUNTED.index("accepted"),
    "repeat": COUNTED.index("repeated"),
    "conflict": COUNTED.index("conflicts"),
    "refused": COUNTED.index("refused"),
    "dropped": COUNTED.index("dropped"),
}
_BOTS, _VIOLATIONS, _CORRECTED, _LATE, _LIMITED = (
    COUNTED.index(name) for name in ("bots", "violations", "corrected", "late", "limited")
)


class Accepts(Protocol):
    async def accept(self, inputs: Inputs) -> list[Result]: ...


@dataclass(slots=True)
class _Day:
    """One source's figures of one day, in the order of `COUNTED`; counted up in place, since every event is."""

    last_at: datetime
    counts: list[int] = field(default_factory=lambda: [0] * len(COUNTED))


@dataclass(slots=True)
class _Counts:
    days: dict[tuple[str, date], _Day] = field(default_factory=dict)
    quality: dict[tuple[str, str], Tallied] = field(default_factory=dict)
    violations: dict[ViolationKey, ViolationTally] = field(default_factory=dict)

    def day(self, source_id: str, day: date, at: datetime) -> _Day:
        found = self.days.get((source_id, day))
        if found is None:
            found = self.days[source_id, day] = _Day(at)
        elif at > found.last_at:
            found.last_at = at
        return found

    def figures(self) -> dict[tuple[str, date], tuple[Figures, datetime]]:
        return {key: (Figures(*day.counts), day.last_at) for key, day in self.days.items()}

    def correct(self, rule: str, source_id: str, tallied: Tallied) -> None:
        before = self.quality.get((rule, source_id))
        self.quality[rule, source_id] = tallied if before is None else before.plus(tallied)

    def violate(self, key: ViolationKey, tally: ViolationTally) -> None:
        if key not in self.violations and len(self.violations) >= VIOLATIONS_HELD_MAX:
            key, tally = (key[0], "(others)", "(others)", ""), tally.anonymous()
        before = self.violations.get(key)
        self.violations[key] = tally if before is None else before.plus(tally)

    def add(self, other: "_Counts") -> None:
        for (source_id, day), counted in other.days.items():
            mine = self.day(source_id, day, counted.last_at)
            mine.counts = [ours + theirs for ours, theirs in zip(mine.counts, counted.counts, strict=True)]
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
        self._counts.day(source_id, self.day_of(at), at).counts[_LIMITED] += events

    def note(self, inputs: Inputs, results: Sequence[Result]) -> None:
        """Count what became of each input of one request."""
        context, counts = None, []
        for one, result in zip(inputs, results, strict=True):
            if one.context is not context:
                context = one.context
                at = context.received_at
                counts = self._counts.day(context.source.source_id, self.day_of(at), at).counts
            counts[_PLACE_OF_STATUS[result.status]] += 1
            if result.status == "accepted" and isinstance(one, Draft) and is_late(one.occurred_at, at):
                counts[_LATE] += 1
            if one.violations or one.is_bot or result.code is not None or result.corrections:
                self._note_more(one, result, counts)

    def _note_more(self, one: Draft | Rejected, result: Result, counts: list[int]) -> None:
        """Count what was noticed about an input, which is nothing about nearly all."""
        source_id, at = one.context.source.source_id, one.context.received_at
        counts[_VIOLATIONS] += bool(one.violations)
        counts[_BOTS] += one.is_bot
        counts[_CORRECTED] += bool(result.corrections)
        for correction in result.corrections:
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
            if not counts.days:
                return
            try:
                async with self._database.transaction() as tx:
                    await store.add_figures(tx, counts.figures())
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
                    metrics.INGEST_BESIDE_FAILURES.labels("figures").inc()
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


def _violated(source_id: str, violation: Violation, at: datetime) -> tuple[ViolationKey, ViolationTally]:
    key = (source_id, violation.event, violation.rule, violation.path)
    return key, ViolationTally(violation.message, 1, at, at, violation.sample)
