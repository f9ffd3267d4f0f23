"""Orders that are edited, while a request is settled: which receipt counts, and what a newer document changes."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.ingest.domain.digests import key_digest
from services.ingest.domain.faults import Dropped
from services.ingest.domain.orders import OrderTold, Standing, Step, step_of
from services.ingest.drafts import Draft, KnownEvent, Secrets, Settled
from services.ingest.mapping.orders import sale_key
from services.ingest.store import orders as store
from shared.customers.assignments import Reads
from shared.db import Transaction

SUPERSEDED = "superseded"


@dataclass(frozen=True, slots=True)
class OrderStep:
    """What a document does: under which key it is recorded, and the receipt whose place it takes."""

    step: Step
    key: str
    standing: Standing | None
    replaces: UUID | None = None


@dataclass(frozen=True, slots=True)
class OrderLeft:
    """What an order comes to after an input."""

    key_digest: bytes
    standing: Standing


@dataclass(slots=True)
class Orders:
    """The orders of one request: as they were stored, and then as each input leaves them."""

    secrets: Secrets
    standings: dict[bytes, Standing] = field(default_factory=dict)

    def take(self, draft: Draft) -> OrderStep | None:
        """Say what a document of an order does. Raises Dropped for one that a newer edit has overtaken."""
        told = draft.told
        if told is None:
            return None
        standing = self._standing(told)
        step = step_of(standing, told, draft.content, draft.context.source.source_id)
        if step == SUPERSEDED:
            raise Dropped(SUPERSEDED, "a newer edit of this order, or its cancellation, was taken already")
        if step == "edit" and standing is not None:
            return OrderStep(step, sale_key(told.order_id, told.version(draft.content)), standing, standing.event_id)
        if step == "repeat" and standing is not None:
            return OrderStep(step, sale_key(told.order_id, standing.version), standing)
        assert isinstance(draft.key, str)
        return OrderStep(step, draft.key, standing)

    def now_of(self, draft: Draft, settled: Settled, known: Mapping[UUID, KnownEvent]) -> Settled:
        """Return what takes an order back with the receipt that counts for the order now as its original."""
        assert isinstance(draft.refers_to, str)
        standing = self.standings.get(self._digest(draft.refers_to))
        if standing is None:
            return settled
        return replace(settled, original_id=standing.event_id, original=known.get(standing.event_id))

    def left(
        self, draft: Draft, order: OrderStep | None, event_id: UUID, original_id: UUID | None
    ) -> OrderLeft | None:
        """Keep, and return, what the order comes to after this input."""
        told = draft.told
        if told is None or order is None:
            return None
        standing = self._after(draft, told, order, event_id if original_id is None else original_id)
        digest = self._digest(sale_key(told.order_id))
        self.standings[digest] = standing
        return OrderLeft(digest, standing)

    def _after(self, draft: Draft, told: OrderTold, order: OrderStep, event_id: UUID) -> Standing:
        before, source_id = order.standing, draft.context.source.source_id
        if order.step == "cancel":
            known = before or Standing(source_id, event_id, None, told.edited_at)
            return replace(known, is_cancelled=True)
        if order.step == "repeat" and before is not None:
            return before.seen(told.edited_at)
        version = told.version(draft.content) if order.step == "edit" else ""
        is_cancelled = before is not None and before.is_cancelled
        return Standing(source_id, event_id, draft.content, told.edited_at, version, is_cancelled)

    def _standing(self, told: OrderTold) -> Standing | None:
        return self.standings.get(self._digest(sale_key(told.order_id)))

    def _digest(self, key: str) -> bytes:
        return key_digest(self.secrets.keys, key)


def digests_of(drafts: Iterable[Draft], secrets: Secrets) -> set[bytes]:
    """Return the keys of the orders that these drafts tell of or take back."""
    keys = {sale_key(draft.told.order_id) for draft in drafts if draft.told is not None}
    keys |= {draft.refers_to for draft in drafts if draft.is_order and isinstance(draft.refers_to, str)}
    return {key_digest(secrets.keys, key) for key in keys}


async def standings_of(reads: Reads, drafts: Sequence[Draft], secrets: Secrets) -> dict[bytes, Standing]:
    """Look up these drafts' orders; a request without any costs no query."""
    digests = digests_of([draft for draft in drafts if draft.is_order], secrets)
    return await store.standings_of(reads, digests) if digests else {}


async def lock(tx: Transaction, drafts: Sequence[Draft], secrets: Secrets) -> None:
    """Let nobody else decide about these drafts' orders until the transaction ends."""
    digests = digests_of([draft for draft in drafts if draft.told is not None], secrets)
    if digests:
        await store.lock_orders(tx, digests)


async def keep(tx: Transaction, left: Collection[OrderLeft]) -> None:
    """Store what orders come to, the last of each."""
    if left:
        await store.put_standings(tx, {one.key_digest: one.standing for one in left})
