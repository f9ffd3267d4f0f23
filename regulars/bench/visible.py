"""How long after its acknowledgement a receipt is in the answer of `GET /v1/customers/{id}`, at a fixed rate.

One receipt in `FOLLOWED` is followed, by asking for its customer until the count of receipts has risen. What is
measured is when the answer arrived, so it is late by the pause between two questions at most.
"""

import asyncio
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from uuid import UUID

from regulars.bench.pace import connected
from regulars.bench.wire import Connection, Request
from regulars.errors import RegularsError

FOLLOWED = 5
PAUSE_SECONDS = 0.025
GIVE_UP_SECONDS = 15.0
SEND_CONNECTIONS = 16
ASK_CONNECTIONS = 16


class NeverVisible(RegularsError):
    """A receipt was acknowledged and could not be read within 15 seconds."""


@dataclass(frozen=True, slots=True)
class Sending:
    """A receipt to send; `customer_id` of one that is followed, and of nobody else's receipt in the run."""

    request: Request
    customer_id: UUID | None


@dataclass(frozen=True, slots=True)
class Visible:
    """`seen_ms`: acknowledged to visible, of those followed. `accept_ms`: due to acknowledged, of all."""

    seen_ms: Sequence[float]
    accept_ms: Sequence[float]
    per_second: float


async def acknowledged_to_visible(
    addresses: Mapping[str, str], headers: Mapping[str, str], sendings: Sequence[Sending], per_second: float
) -> Visible:
    """Send at a fixed rate (open loop) and follow. Raises NeverVisible, NoAnswer, UnexpectedAnswer."""
    async with (
        connected(addresses["ingest"], headers, SEND_CONNECTIONS) as senders,
        connected(addresses["profile"], headers, ASK_CONNECTIONS) as askers,
    ):
        reader = _Reader(_Free(askers))
        before = {
            one.customer_id: await reader.receipts_of(one.customer_id) for one in sendings if one.customer_id is not None
        }
        free = _Free(senders)
        began = time.perf_counter()

        async def send(number: int, sending: Sending) -> tuple[float, float | None]:
            due = began + number / per_second
            await asyncio.sleep(max(due - time.perf_counter(), 0))
            async with free.one() as connection:
                (await connection.ask(sending.request)).checked()
            acknowledged = time.perf_counter()
            accept_ms = (acknowledged - due) * 1000
            if sending.customer_id is None:
                return accept_ms, None
            await reader.wait(sending.customer_id, before[sending.customer_id] + 1)
            return accept_ms, (time.perf_counter() - acknowledged) * 1000

        done = await asyncio.gather(*(send(number, sending) for number, sending in enumerate(sendings)))
        seconds = time.perf_counter() - began
    return Visible([seen for _, seen in done if seen is not None], [accept for accept, _ in done], len(done) / seconds)
