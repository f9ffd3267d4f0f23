"""Owns finding a customer's own past: in memory, which follows the database, else in the database itself."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.recommend import metrics
from services.recommend.domain.consents import allows_personalisation
from services.recommend.serving.customers import Customers, Remembered
from services.recommend.serving.following import Following
from services.recommend.serving.histories import Histories, Own
from services.recommend.serving.past import NOBODY
from services.recommend.serving.reading import Patience


class Recall:
    """Answers at once for whom is in memory, also while the database is away; None: it was needed and is away."""

    def __init__(self, remembered: Customers, following: Following, histories: Histories, old_seconds: float) -> None:
        """Take after how much silence of the database what is remembered counts as old."""
        self._remembered = remembered
        self._following = following
        self._histories = histories
        self.old_seconds = old_seconds

    async def own(
        self,
        customer_id: UUID,
        channel: str | None,
        until: datetime | None = None,
        patience: Patience | None = None,
    ) -> Own | None:
        """Return a customer's past; `until` leaves out what happened later."""
        found = self._remembered.find(customer_id)
        if found is not None and (until is None or found.is_complete_at(until)):
            metrics.HISTORIES.labels("memory").inc()
            return self._recalled(found, channel)
        metrics.HISTORIES.labels("database").inc()
        own = await self._histories.own(customer_id, channel, until, patience)
        if found is None and own is not None and (own.past.basket_count or not own.is_allowed):
            self._following.want(customer_id)
        return own

    def is_remembered(self, customer_id: UUID) -> bool:
        return self._remembered.find(customer_id) is not None

    async def session_items(self, session_id: str, patience: Patience | None = None) -> Sequence[str] | None:
        """Return the products last looked at in a session, the latest last."""
        return await self._histories.session_items(session_id, patience)

    def _recalled(self, found: Remembered, channel: str | None) -> Own:
        is_allowed = allows_personalisation(found.withdrawn_channels, channel)
        return Own(
            found.customer_id,
            self._remembered.past(found) if is_allowed else NOBODY,
            is_allowed,
            version=found.version,
            is_old=self._following.silent_seconds > self.old_seconds,
            segments=found.segments if is_allowed else (),
        )
