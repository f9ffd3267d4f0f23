"""Relating: households and families are relations between customers who stay two, never a merge."""

from collections.abc import Mapping

from services.ingest.errors import NotTheirs, RelationNotFound
from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.handlers.identity.explaining import Identity
from services.ingest.store import claims
from services.ingest.store.claims import Relation
from services.ingest.store.identities import DONE
from shared.db import Database, Row

RELATIONS_MAX = 100
_PAIRS = (("parent", "child"), ("carer", "cared_for"), ("employer", "employee"))
_SEEN_FROM_THE_OTHER: Mapping[str, str] = dict(_PAIRS) | {other: one for one, other in _PAIRS}


def reversed_kind(kind: str) -> str:
    """Return what this one is to the other: a parent's child, a household's household."""
    return _SEEN_FROM_THE_OTHER.get(kind, kind)


async def relate(  # noqa: PLR0913 (both customers, what they are to each other, and who says so)
    database: Database,
    deciding: Deciding,
    one: Identity,
    other: Identity,
    kind: str,
    *,
    actor: str,
    reason: str | None,
) -> None:
    """Keep a relation, seen from both sides. Raises NotTheirs for a customer's relation to themselves."""
    if one.customer_id == other.customer_id:
        raise NotTheirs("both ids are one customer's; a relation is between two", field="/customer_id")
    now = deciding.clock.now()
    async with database.transaction() as tx:
        for left, right, seen_as in ((one, other, kind), (other, one, reversed_kind(kind))):
            relation = Relation(left.customer_id, right.customer_id, seen_as, actor, reason, now)
            await claims.put_relation(tx, relation)
        chosen = [one.customer_id, other.customer_id]
        await deciding.say(tx, "related", chosen, actor=actor, reason=reason or kind, outcome=DONE)


async def unrelate(  # noqa: PLR0913 (as above)
    database: Database, deciding: Deciding, one: Identity, other: Identity, kind: str, *, actor: str
) -> None:
    """Take a relation back. Raises RelationNotFound."""
    ones, others = ([row["subject_id"] for row in side.subjects] for side in (one, other))
    async with database.transaction() as tx:
        if not await claims.delete_relation(tx, ones, others, kind):
            raise RelationNotFound("these two have no such relation", field="kind")
        await claims.delete_relation(tx, others, ones, reversed_kind(kind))
        chosen = [one.customer_id, other.customer_id]
        await deciding.say(tx, "unrelated", chosen, actor=actor, reason=kind, outcome=DONE)


async def relations_of(database: Database, identity: Identity) -> list[Row]:
    subject_ids = [row["subject_id"] for row in identity.subjects]
    return await claims.relations_of(database, subject_ids, RELATIONS_MAX)
