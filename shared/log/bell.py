"""A bell that wakes a loop which would otherwise look again only after a while."""

import asyncio
from contextlib import suppress


class Bell:
    """Rung any number of times between two looks, it wakes the one who waits once."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake whoever waits, or let them not wait at all the next time."""
        self._rung.set()

    async def wait(self, seconds: float) -> None:
        """Return when it rings, or after so many seconds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._rung.wait()
        self._rung.clear()
