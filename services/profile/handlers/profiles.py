"""Reading profiles: everything about customers, folded live, as of one snapshot of the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.profile.domain.profile import AsOf, Consent, Profile, fold_consents, standing_of
from services.profile.domain.purchases import favourites
from services.profile.errors import CustomerNotFound
from services.profile.store import customers
from shared.db import Database, Transaction

FAVOURITES_MAX = 5


async def profile_of(database: Database, asked_id: UUID, as_of: AsOf) -> Profile:
    """Return a customer's profile. Raises CustomerNotFound."""
    found = await profiles_of(database, [asked_id], as_of)
    if asked_id not in found:
        raise unknown_customer()
    return found[asked_id]


async def profiles_of(database: Database, asked_ids: Sequence[UUID], as_of: AsOf) -> dict[UUID, Profile]:
    """Return the profile behind each id; ids of nobody are left out."""
    async with database.transaction(isolation="repeatable_read") as tx:
        customer_of = await customers.customer_ids_of(tx, asked_ids)
        profiles = {customer_id: await _profile(tx, customer_id, as_of) for customer_id in set(customer_of.values())}
    return {asked_id: profiles[customer_id] for asked_id, customer_id in customer_of.items()}


async def subjects_of_customer(tx: Transaction, asked_id: UUID) -> tuple[UUID, list[UUID]]:
    """Return the customer behind an id, and the ids of all its subjects. Raises CustomerNotFound."""
    customer_of = await customers.customer_ids_of(tx, [asked_id])
    if asked_id not in customer_of:
        raise unknown_customer()
    customer_id = customer_of[asked_id]
    return customer_id, list(await customers.subjects_by_customer(tx, [customer_id]))


async def consents_of(database: Database, asked_id: UUID) -> tuple[UUID, list[Consent]]:
    """Return a customer and what they allow. Raises CustomerNotFound."""
    async with database.transaction(isolation="repeatable_read") as tx:
        customer_id, subject_ids = await subjects_of_customer(tx, asked_id)
        return customer_id, fold_consents(await customers.consents_of(tx, subject_ids))


async def set_tags(
    database: Database, asked_id: UUID, tags: Sequence[str], actor: str, now: datetime
) -> tuple[UUID, list[str]]:
    """Make `tags` a customer's only ones; return the customer and the tags. Raises CustomerNotFound."""
    async with database.transaction() as tx:
        customer_id, subject_ids = await subjects_of_customer(tx, asked_id)
        distinct = sorted(set(tags))
        await customers.forget_tags(tx, [customer_id, *subject_ids])
        await customers.add_tags(tx, customer_id, distinct, actor, now)
        return customer_id, distinct


def unknown_customer() -> CustomerNotFound:
    return CustomerNotFound("no customer has this id")


async def _profile(tx: Transaction, customer_id: UUID, as_of: AsOf) -> Profile:
    subjects = await customers.subjects_by_customer(tx, [customer_id])
    ids = list(subjects)
    facts = (await customers.facts_of(tx, subjects))[customer_id]
    standing = standing_of(facts.totals, facts.visits, await customers.surroundings(tx, as_of))
    usual_store_id = standing.habits.usual_store_id
    return Profile(
        customer_id=customer_id,
        identifiers=tuple(await customers.identifiers_of(tx, ids)),
        standing=standing,
        favourite_categories=tuple(favourites(await customers.spend_by_category(tx, ids), FAVOURITES_MAX)),
        attributes=await customers.attributes_of(tx, ids),
        tags=tuple(await customers.tags_of(tx, [customer_id, *ids])),
        consents=tuple(fold_consents(await customers.consents_of(tx, ids))),
        usual_store_name=await customers.store_name(tx, usual_store_id) if usual_store_id else None,
        as_of=as_of.now,
    )
