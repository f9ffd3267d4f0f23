"""What a service consumes: its topics, and for each event type the one function that applies it."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.db import Transaction
from shared.events import Envelope

Handler = Callable[[Transaction, Sequence[Envelope[Any]]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Subscription:
    """The consuming half of a service.

    `handlers` maps an event type's name to what applies events of it, many at a time, in the transaction given.
    State must be a function of the *set* of events: a batch is handed over type by type, in the mapping's order.
    A type without a handler is skipped.
    """

    topics: tuple[str, ...]
    handlers: Mapping[str, Handler]

    async def dispatch(self, tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
        """Apply the events, grouped by type."""
        for name, handler in self.handlers.items():
            of_type = [event for event in events if event.type == name]
            if of_type:
                await handler(tx, of_type)
