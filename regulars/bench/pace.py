"""How requests are sent: as fast as a few connections get answers, or at a fixed rate whatever the answers do."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from regulars.bench.figures import Spread
from regulars.bench.wire import Answer, Connection, NoAnswer, Request
from regulars.errors import RegularsError


class UnexpectedAnswer(RegularsError):
    """A request of a benchmark was answered otherwise than by success: what it measured would mean nothing."""


@dataclass(frozen=True, slots=True)
class Run:
    """The answers in the order of the requests, each one's time, and how long all took."""

    answers: Sequence[Answer]
    times_ms: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        return len(self.answers) / self.seconds

    @property
    def spread(self) -> Spread:
        return Spread.of(self.times_ms)

    def checked(self) -> "Run":
        """Return the run itself; raise UnexpectedAnswer unless every answer was a success."""
        for answer in self.answers:
            if not 200 <= answer.status < 300:
                raise UnexpectedAnswer(f"the answer {answer.status}: {answer.body[:500].decode(errors='replace')}")
        return self


@asynccontextmanager
async def connected(address: str, headers: Mapping[str, str], count: int) -> AsyncIterator[Sequence[Connection]]:
    """Hold `count` open connections."""
    connections = [await Connection.open(address, headers) for _ in range(count)]
    try:
        yield connections
    finally:
        await asyncio.gather(*(connection.close() for connection in connections))


async def flat_out(connections: Sequence[Connection], requests: Sequence[Request]) -> Run:
    """Send each request as soon as a connection is free (a closed loop). Raises NoAnswer."""
    answers: dict[int, Answer] = {}
    times_ms: dict[int, float] = {}
    remaining: Iterator[tuple[int, Request]] = iter(enumerate(requests))

    async def send_from(connection: Connection) -> None:
        for number, request in remaining:
            began = time.perf_counter()
            answers[number] = await connection.ask(request)
            times_ms[number] = (time.perf_counter() - began) * 1000

    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(send_from(connection))
    except* NoAnswer as failed:
        raise NoAnswer(str(failed.exceptions[0])) from failed
    seconds = time.perf_counter() - began
    places = range(len(requests))
    return Run([answers[place] for place in places], [times_ms[place] for place in places], seconds)


async def at_rate(connections: Sequence[Connection], requests: Sequence[Request], per_second: float) -> Run:
    """Send each request at its time (an open loop): waiting for a free connection counts as its time.

    Raises NoAnswer.
    """
    free: asyncio.Queue[Connection] = asyncio.Queue()
    for connection in connections:
        free.put_nowait(connection)
    began = time.perf_counter()

    async def send(number: int, request: Request) -> tuple[Answer, float]:
        due = began + number / per_second
        await asyncio.sleep(max(due - time.perf_counter(), 0))
        connection = await free.get()
        try:
            answer = await connection.ask(request)
        finally:
            free.put_nowait(connection)
        return answer, (time.perf_counter() - due) * 1000

    done = await asyncio.gather(*(send(number, request) for number, request in enumerate(requests)))
    seconds = time.perf_counter() - began
    return Run([answer for answer, _ in done], [time_ms for _, time_ms in done], seconds)
