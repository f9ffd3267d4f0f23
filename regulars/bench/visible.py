"""How long after its acknowledgement an event is in the answer of profile, at a fixed rate.

Some are followed, by asking for their customer until its count (of receipts, of moments) has risen. What is measured
is when that answer arrived, so it is late by the pause between two questions at most.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from regulars.bench.pace import Connections, connected, each_in_time
from regulars.bench.wire import Request
from regulars.errors import RegularsError

PAUSE_SECONDS = 0.025
GIVE_UP_SECONDS = 15.0
CONNECTIONS = 16
NOT_FOUND = 404

CountOf = Callable[[Connections, UUID], Awaitable[int]]
"""Asks profile how many of what is followed a customer has."""


class NeverVisible(RegularsError):
    """An event was acknowledged and could not be read within 15 seconds."""


@dataclass(frozen=True, slots=True)
class Sending:
    """An event to send; `customer_id` of one that is followed: no other event of the run may be that one's."""

    request: Request
    customer_id: UUID | None


@dataclass(frozen=True, slots=True)
class Visible:
    """`seen_ms`: acknowledged to visible, of those followed. `accept_ms`: due to acknowledged, of all."""

    seen_ms: Sequence[float]
    accept_ms: Sequence[float]
    per_second: float


@dataclass(frozen=True, slots=True)
class _Following:
    """The two services, what is counted, and every followed customer's count before the run."""

    senders: Connections
    askers: Connections
    count_of: CountOf
    before: Mapping[UUID, int]

    async def send(self, sending: Sending, due: float) -> tuple[float, float | None]:
        """Send; return due-to-acknowledged and, if followed, acknowledged-to-visible (ms)."""
        (await self.senders.ask(sending.request)).checked()
        acknowledged = time.perf_counter()
        accept_ms = (acknowledged - due) * 1000
        if sending.customer_id is None:
            return accept_ms, None
        await self._wait_until_visible(sending.customer_id, acknowledged + GIVE_UP_SECONDS)
        return accept_ms, (time.perf_counter() - acknowledged) * 1000

    async def _wait_until_visible(self, customer_id: UUID, give_up_at: float) -> None:
        while await self.count_of(self.askers, customer_id) <= self.before[customer_id]:
            if time.perf_counter() > give_up_at:
                raise NeverVisible(f"an event of customer {customer_id} did not show in {GIVE_UP_SECONDS:.0f} s")
            await asyncio.sleep(PAUSE_SECONDS)


@dataclass(frozen=True, slots=True)
class Doors:
    """Where events go in and are asked for, and the headers of either."""

    ingest: str
    profile: str
    sending: Mapping[str, str]
    asking: Mapping[str, str]


async def acknowledged_to_visible(
    doors: Doors, count_of: CountOf, sendings: Sequence[Sending], per_second: float
) -> Visible:
    """Send at a fixed rate (open loop) and follow. Raises NeverVisible, NoAnswer, UnexpectedAnswer."""
    async with (
        connected(doors.ingest, doors.sending, CONNECTIONS) as senders,
        connected(doors.profile, doors.asking, CONNECTIONS) as askers,
    ):
        followed = [sending.customer_id for sending in sendings if sending.customer_id is not None]
        before = {customer_id: await count_of(askers, customer_id) for customer_id in followed}
        following = _Following(senders, askers, count_of, before)
        began = time.perf_counter()
        done = await each_in_time(
            lambda number, due: following.send(sendings[number], due), len(sendings), per_second
        )
        seconds = time.perf_counter() - began
    return Visible(
        seen_ms=[seen_ms for _, seen_ms in done if seen_ms is not None],
        accept_ms=[accept_ms for accept_ms, _ in done],
        per_second=len(done) / seconds,
    )


async def receipts_of(askers: Connections, customer_id: UUID) -> int:
    """Return a known customer's count of receipts. Raises UnexpectedAnswer, NoAnswer."""
    answer = await askers.ask(Request("GET", f"/v1/customers/{customer_id}"))
    count: int = answer.checked().json()["totals"]["receipts"]
    return count


async def moments_of(askers: Connections, customer_id: UUID) -> int:
    """Return how many moments are on the first page of a customer's timeline; nobody known has none.

    Raises UnexpectedAnswer, NoAnswer.
    """
    answer = await askers.ask(Request("GET", f"/v1/customers/{customer_id}/timeline"))
    return 0 if answer.status == NOT_FOUND else len(answer.checked().json()["items"])
