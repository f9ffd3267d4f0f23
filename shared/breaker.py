"""Leaves a peer alone that has not answered several times running, so that those who wait are told at once."""

import time
from collections.abc import Callable
from dataclasses import dataclass

FAILURES = 5
REST_SECONDS = 1.0


@dataclass(slots=True)
class Breaker:
    """Opens after `failures` in a row; then one caller every `rest_seconds` tries, until one succeeds."""

    failures: int = FAILURES
    rest_seconds: float = REST_SECONDS
    monotonic: Callable[[], float] = time.monotonic
    _failed: int = 0
    _rests_until: float = 0.0

    @property
    def is_open(self) -> bool:
        return self._failed >= self.failures

    def lets_pass(self) -> bool:
        """Say whether to ask now; whoever is let pass while it is open is the one who tries."""
        if not self.is_open:
            return True
        now = self.monotonic()
        if now < self._rests_until:
            return False
        self._rests_until = now + self.rest_seconds
        return True

    def succeeded(self) -> None:
        self._failed = 0

    def failed(self) -> None:
        self._failed += 1
        self._rests_until = self.monotonic() + self.rest_seconds
