"""Lines of one partition that are being filled from their producers' logs, each by a task of its own."""

import asyncio
from collections.abc import Coroutine
from dataclasses import dataclass, field
from typing import Any

from shared.worker.domain import Line


@dataclass(slots=True)
class Fills:
    """What is being filled now. A task that fails is told of by whoever looks next."""

    _tasks: dict[Line, asyncio.Task[None]] = field(default_factory=dict)

    def __contains__(self, line: object) -> bool:
        return line in self._tasks

    @property
    def topics(self) -> frozenset[str]:
        """Return the topics of which nothing more is to be polled: the broker's place waits for the fill."""
        return frozenset(topic for _, topic in self._tasks)

    def start(self, line: Line, filling: Coroutine[Any, Any, None]) -> None:
        """Fill a line that is not being filled already."""
        self._tasks[line] = asyncio.create_task(filling, name=f"filling {line[1]}")

    def look(self) -> None:
        """Forget what is filled, and raise what a fill failed with."""
        for line in [line for line, task in self._tasks.items() if task.done()]:
            self._tasks.pop(line).result()

    async def settle(self) -> None:
        """Return when all is filled; raise what a fill failed with."""
        while self._tasks:
            await asyncio.wait(self._tasks.values(), return_when=asyncio.FIRST_COMPLETED)
            self.look()

    async def stop(self) -> None:
        """End every fill; what was applied stays applied, and the rest is a gap again."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
