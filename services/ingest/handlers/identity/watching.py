"""Watching: an identifier that is seen more often, or at more tills, than any shopper could be, is put aside.

A cashier who swipes her own card for everybody who has none is found by this alone: her card never meets another
identifier. The numbered log is read behind the numberer, each receipt once; what is found is a decision like any.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import orjson

from services.ingest.domain.policy import Policy
from services.ingest.handlers.identity.deciding import RULE_ACTOR, Deciding
from services.ingest.store import sightings as store
from services.ingest.store.sightings import Sighting
from shared.db import Row, Transaction

RECEIPTS_AT_ONCE = 2000
KEPT_FOR = timedelta(days=7)


@dataclass(frozen=True, slots=True)
class Watching:
    """The scheduled look at what was numbered since the last one."""

    deciding: Deciding
    policy: Policy
    partitions: int

    async def run(self) -> None:
        """Look at everything that is new, partition by partition."""
        for partition in range(self.partitions):
            seen = RECEIPTS_AT_ONCE
            while seen == RECEIPTS_AT_ONCE:
                async with self.deciding.database.transaction() as tx:
                    seen = await self._look(tx, partition)
        async with self.deciding.database.transaction() as tx:
            await store.forget_before(tx, self.deciding.clock.now() - KEPT_FOR)

    async def _look(self, tx: Transaction, partition: int) -> int:
        rows = await store.next_receipts(tx, partition, RECEIPTS_AT_ONCE)
        if rows:
            found = sightings_of(rows)
            await store.count(tx, found)
            await self._judge(tx, {one.subject_id for one in found})
            await store.move_on(tx, partition, rows[-1]["seq"])
        return len(rows)

    async def _judge(self, tx: Transaction, subject_ids: Iterable[UUID]) -> None:
        for busy in await store.busiest(tx, subject_ids):
            reason = self.policy.is_beyond_human(busy.receipts_in_day, busy.tills_in_hour)
            if reason is not None:
                await self.deciding.say(tx, "quarantined", [busy.subject_id], actor=RULE_ACTOR, reason=reason)


def sightings_of(rows: Sequence[Row]) -> list[Sighting]:
    """Count a batch of receipts by subject and hour: those of known people at tills, no training."""
    counted: dict[tuple[UUID, datetime], tuple[int, frozenset[str]]] = {}
    for row in rows:
        if not row["body"]:
            continue  # its content is gone
        event = orjson.loads(row["body"])
        data = event["data"]
        is_till = event["source"]["kind"] in {"pos", "file"} and event["subject_kind"] == "identified"
        if event["type"] != "ReceiptRecorded" or not is_till or data.get("training"):
            continue
        at = datetime.fromisoformat(event["occurred_at"])
        place = UUID(event["subject_id"]), at.replace(minute=0, second=0, microsecond=0)
        receipts, tills = counted.get(place, (0, frozenset()))
        counted[place] = receipts + 1, tills | {f"{data['store_id']}/{data['terminal_id']}"}
    return [Sighting(subject_id, hour, *rest) for (subject_id, hour), rest in counted.items()]
