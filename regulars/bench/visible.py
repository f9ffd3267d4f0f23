"""How long after its acknowledgement a receipt is in the answer of `GET /v1/customers/{id}`, at a fixed rate.

Some receipts are followed, by asking for their customer until its count of receipts has risen. What is measured is
when that answer arrived, so it is late by the pause between two questions at most.
"""

import asyncio
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from regulars.bench.pace import Connections, connected
from regulars.bench.wire import Request
from regulars.errors import RegularsError

PAUSE_SECONDS = 0.025
GIVE_UP_SECONDS = 15.0
CONNECTIONS = 16


class NeverVisible(RegularsError):
    """A receipt was acknowledged and could not be read within 15 seconds."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A receipt to send; `customer_id` of one that is followed: no other receipt of the run may be that one's."""

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
    """The two services, and every followed customer's count of receipts before the run."""

    senders: Connections
    askers: Connections
    before: Mapping[UUID, int]

    async def send(self, sending: Sending, due: float) -> tuple[float, float | None]:
        """Send when it is due; return due-to-acknowledged and, if followed, acknowledged-to-visible (ms)."""
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        (await self.senders.ask(sending.request)).checked()
        acknowledged = time.perf_counter()
        accept_ms = (acknowledged - due) * 1000
        if sending.customer_id is None:
            return accept_ms, None
        await self._wait_until_visible(sending.customer_id, acknowledged + GIVE_UP_SECONDS)
        return accept_ms, (time.perf_counter() - acknowledged) * 1000

    async def _wait_until_visible(self, customer_id: UUID, give_up_at: float) -> None:
        while await receipts_of(self.askers, customer_id) <= self.before[customer_id]:
            if time.perf_counter() > give_up_at:
                raise NeverVisible(f"a receipt of customer {customer_id} did not show in {GIVE_UP_SECONDS:.0f} s")
            await asyncio.sleep(PAUSE_SECONDS)


async def acknowledged_to_visible(
    addresses: Mapping[str, str], headers: Mapping[str, str], sendings: Sequence[Sending], per_second: float
) -> Visible:
    """Send at a fixed rate (open loop) and follow. Raises NeverVisible, NoAnswer, UnexpectedAnswer."""
    async with (
        connected(addresses["ingest"], headers, CONNECTIONS) as senders,
        connected(addresses["profile"], headers, CONNECTIONS) as askers,
    ):
        followed = [sending.customer_id for sending in sendings if sending.customer_id is not None]
        before = {customer_id: await receipts_of(askers, customer_id) for customer_id in followed}
        following = _Following(senders, askers, before)
        began = time.perf_counter()
        done = await asyncio.gather(
            *(following.send(sending, began + number / per_second) for number, sending in enumerate(sendings))
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
