"""Group commit: what came in several small requests at once is stored in one transaction.

While a group is being committed the next one gathers, so nobody waits for a timer: one request alone is stored at
once, and under load a transaction's round trips are shared by all who wait.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from services.ingest.drafts import Draft, Rejected, Result
from shared.db import is_transient
from shared.errors import Unavailable

GROUPS_AT_ONCE = 2
GROUP_ITEMS_MAX = 500
ALONE_FROM_ITEMS = 50
"""A request of so many items gains nothing by company, and would keep small ones waiting."""
BACKLOGS_AT_ONCE = 2
"""Large requests about long ago that are stored at once: live ones always find a connection."""
BACKLOG_WAIT_SECONDS = 10.0

Inputs = Sequence[Draft | Rejected]
Accept = Callable[[Inputs], Awaitable[list[Result]]]


@dataclass(frozen=True, slots=True)
class _Waiting:
    inputs: Inputs
    results: asyncio.Future[list[Result]]


class GroupCommit:
    """Accepts inputs of many requests together, and gives each request its own results or failure."""

    def __init__(self, accept: Accept) -> None:
        self._accept = accept
        self._waiting: deque[_Waiting] = deque()
        self._storing: set[asyncio.Task[None]] = set()
        self._backlogs = asyncio.Semaphore(BACKLOGS_AT_ONCE)

    async def accept(self, inputs: Inputs) -> list[Result]:
        """Return one result per input when all are stored for good. Raises what storing them raises, Unavailable."""
        if len(inputs) >= ALONE_FROM_ITEMS:
            return await (self._accept_backlog if _is_backlog(inputs) else self._accept)(inputs)
        waiting = _Waiting(inputs, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        if len(self._storing) < GROUPS_AT_ONCE:
            task = asyncio.create_task(self._store_all(), name="group-commit")
            self._storing.add(task)
            task.add_done_callback(self._storing.discard)
        return await waiting.results

    async def _accept_backlog(self, inputs: Inputs) -> list[Result]:
        """Store what a till that was offline sends when it is back: few such requests at once, the others wait."""
        try:
            async with asyncio.timeout(BACKLOG_WAIT_SECONDS):
                await self._backlogs.acquire()
        except TimeoutError:
            raise Unavailable(
                "others upload their backlog as well; send the same again", retry_after_seconds=5
            ) from None
        try:
            return await self._accept(inputs)
        finally:
            self._backlogs.release()

    async def _store_all(self) -> None:
        while group := self._next_group():
            outcome = await self._outcome(_together(group))
            if len(group) == 1 or isinstance(outcome, list) or is_transient(outcome):
                _answer(group, outcome)
                continue
            # Somebody brought a fault: it fails them alone.
            for waiting in group:
                _answer([waiting], await self._outcome(waiting.inputs))

    async def _outcome(self, inputs: Inputs) -> list[Result] | BaseException:
        (outcome,) = await asyncio.gather(self._accept(inputs), return_exceptions=True)
        return outcome

    def _next_group(self) -> list[_Waiting]:
        group: list[_Waiting] = []
        items = 0
        while self._waiting and items + len(self._waiting[0].inputs) <= GROUP_ITEMS_MAX:
            waiting = self._waiting.popleft()
            items += len(waiting.inputs)
            group.append(waiting)
        return group


def _is_backlog(inputs: Inputs) -> bool:
    drafts = [one for one in inputs if isinstance(one, Draft)]
    return bool(drafts) and all(draft.is_backlog for draft in drafts)


def _answer(group: Sequence[_Waiting], outcome: list[Result] | BaseException) -> None:
    """Give each its own results, or all the failure; who went away is answered no more."""
    start = 0
    for waiting in group:
        end = start + len(waiting.inputs)
        if waiting.results.done():
            pass
        elif isinstance(outcome, list):
            waiting.results.set_result(outcome[start:end])
        else:
            waiting.results.set_exception(outcome)
        start = end


def _together(group: Sequence[_Waiting]) -> list[Draft | Rejected]:
    """Return all inputs of a group with places of their own, in the order in which they came."""
    inputs = (one for waiting in group for one in waiting.inputs)
    return [replace(one, place=place) for place, one in enumerate(inputs)]
