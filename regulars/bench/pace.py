"""How requests are sent: as fast as a few connections get answers, or at a fixed rate whatever the answers do."""

import asyncio
import selectors
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Self, TypeVar

from regulars.bench.figures import Spread
from regulars.bench.wire import Answer, Connection, Request

T = TypeVar("T")


def punctually(work: Coroutine[Any, Any, T]) -> T:
    """Run the work on a loop whose timers are exact.

    The usual one waits in whole milliseconds, rounded up, and what it oversleeps would count as the service's time.
    For a few connections: it looks at each in turn.
    """
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(selectors.SelectSelector())) as runner:
        return runner.run(work)


@dataclass(frozen=True, slots=True)
class Run:
    """The answers in the order of the requests, each one's time, and how long all took."""

    answers: Sequence[Answer]
    times_ms: Sequence[float]
    seconds: float

    @property
    def per_second(self) -> float:
        """Requests answered a second."""
        return len(self.answers) / self.seconds

    @property
    def spread(self) -> Spread:
        return Spread.of(self.times_ms)

    def checked(self) -> Self:
        """Return the run itself; raise UnexpectedAnswer unless every answer was a success."""
        for answer in self.answers:
            answer.checked()
        return self


class Connections:
    """A few connections that requests take in turn: one that finds none free waits for it."""

    def __init__(self, all_of_them: Sequence[Connection]) -> None:
        self.all = all_of_them
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for connection in all_of_them:
            self._free.put_nowait(connection)

    async def ask(self, request: Request) -> Answer:
        """Send over the next free connection. Raises NoAnswer."""
        connection = await self._free.get()
        try:
            return await connection.ask(request)
        finally:
            self._free.put_nowait(connection)


@asynccontextmanager
async def connected(address: str, headers: Mapping[str, str], count: int) -> AsyncIterator[Connections]:
    """Hold `count` open connections to `http://HOST:PORT`; `headers` go with every request."""
    async with connected_to_each([address], headers, count) as opened:
        yield opened


@asynccontextmanager
async def connected_to_each(
    addresses: Sequence[str], headers: Mapping[str, str], count: int
) -> AsyncIterator[Connections]:
    """Hold `count` open connections, spread over several addresses."""
    opened = [await Connection.open(addresses[number % len(addresses)], headers) for number in range(count)]
    try:
        yield Connections(opened)
    finally:
        await asyncio.gather(*(connection.close() for connection in opened))


async def flat_out(connections: Connections, requests: Sequence[Request]) -> Run:
    """Send each request as soon as a connection has its answer (a closed loop). Raises NoAnswer."""
    done: dict[int, tuple[Answer, float]] = {}
    remaining: Iterator[tuple[int, Request]] = iter(enumerate(requests))

    async def send_from(connection: Connection) -> None:
        for number, request in remaining:
            began = time.perf_counter()
            answer = await connection.ask(request)
            done[number] = answer, _ms_since(began)

    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            for connection in connections.all:
                group.create_task(send_from(connection))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    seconds = time.perf_counter() - began
    in_order = [done[number] for number in range(len(requests))]
    return Run([answer for answer, _ in in_order], [time_ms for _, time_ms in in_order], seconds)


async def at_rate(connections: Connections, requests: Sequence[Request], per_second: float) -> Run:
    """Send each request at its time (an open loop): waiting for a free connection counts as its time.

    Raises NoAnswer.
    """

    async def send(number: int, due: float) -> tuple[Answer, float]:
        answer = await connections.ask(requests[number])
        return answer, _ms_since(due)

    began = time.perf_counter()
    done = await each_in_time(send, len(requests), per_second)
    seconds = time.perf_counter() - began
    return Run([answer for answer, _ in done], [time_ms for _, time_ms in done], seconds)


async def each_in_time(
    send: Callable[[int, float], Coroutine[Any, Any, T]], count: int, per_second: float
) -> list[T]:
    """Call `send(number, due)` for each number at its time, whether earlier ones have ended or not.

    A task is made when it is due: making thousands ahead would hold up the first ones, and the delay would count as
    the service's. Raises what the first that failed raised; the others are cancelled.
    """
    began = time.perf_counter()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = []
            for number in range(count):
                due = began + number / per_second
                await asyncio.sleep(max(due - time.perf_counter(), 0))
                tasks.append(group.create_task(send(number, due)))
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from failed
    return [task.result() for task in tasks]


def _ms_since(began: float) -> float:
    return (time.perf_counter() - began) * 1000
