"""Whose an event is that names several identifiers: looked up where the strongest may be another person's."""

from collections.abc import Iterable, Mapping, Sequence
from uuid import UUID

from services.ingest.domain.identifiers import Identifier
from services.ingest.domain.policy import rule_of
from services.ingest.drafts import Draft, subject_id_now
from services.ingest.store import identities
from services.ingest.store.subjects import BlindIndex
from shared.customers.assignments import Reads
from shared.identity import TillKey

ABOUT_THE_PERSON = {"customers", "consents", "identify", "alias", "group"}
"""Kinds of input that say something about whoever the strongest identifier names, and not what somebody did."""
CARD = "loyalty_card"


async def doubtful_of(
    reads: Reads, drafts: Sequence[Draft], generations: Mapping[BlindIndex, int]
) -> frozenset[UUID]:
    """Return the subjects that stand back for the next one: a family's phone, a card that nobody registered.

    Costs a query only where an event names a person twice.
    """
    weak: set[UUID] = set()
    cards: set[UUID] = set()
    for draft in drafts:
        persons = _persons(draft)
        if len(persons) > 1:
            weak |= {subject_id_now(one, generations) for one in persons if not rule_of(one.namespace).is_strong}
            cards |= {subject_id_now(one, generations) for one in _cards_at_till(draft, persons)}
    if not weak and not cards:
        return frozenset()
    return frozenset(await identities.doubtful_among(reads, weak, cards))


def _persons(draft: Draft) -> list[Identifier]:
    if draft.kind in ABOUT_THE_PERSON or not draft.links:
        return []
    return [one for one in draft.identifiers if not one.is_device]


def _cards_at_till(draft: Draft, persons: Iterable[Identifier]) -> list[Identifier]:
    """Return the cards that were swiped at a till, which may be the cashier's."""
    return [one for one in persons if one.namespace == CARD] if isinstance(draft.key, TillKey) else []
