"""Reading profiles: everything about customers, folded live, as of one moment of the database."""

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from services.profile.domain.profile import AsOf, Consent, Profile, Surroundings, fold_consents, standing_of
from services.profile.domain.purchases import favourites
from services.profile.errors import CustomerNotFound
from services.profile.store import customers
from services.profile.store.whole import Whole, whole_of
from shared.db import Database, Transaction

FAVOURITES_MAX = 5


async def profile_of(database: Database, asked_id: UUID, as_of: AsOf) -> Profile:
    """Return a customer's profile. Raises CustomerNotFound."""
    async with database.session() as session:
        whole = await whole_of(session, asked_id)
    if whole is None:
        raise unknown_customer()
    return _profile(whole, as_of)


async def profiles_of(database: Database, asked_ids: Sequence[UUID], as_of: AsOf) -> dict[UUID, Profile]:
    """Return the profile behind each id; ids of nobody are left out."""
    async with database.transaction(isolation="repeatable_read") as tx:
        customer_of = await customers.customer_ids_of(tx, asked_ids)
        wholes = [await whole_of(tx, customer_id) for customer_id in set(customer_of.values())]
    profiles = {whole.customer_id: _profile(whole, as_of) for whole in wholes if whole is not None}
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


def _profile(whole: Whole, as_of: AsOf) -> Profile:
    standing = standing_of(whole.totals, whole.visits, Surroundings(whole.bounds, whole.store_zones, as_of))
    usual_store_id = standing.habits.usual_store_id
    return Profile(
        customer_id=whole.customer_id,
        identifiers=tuple(whole.identifiers),
        standing=standing,
        favourite_categories=tuple(favourites(whole.categories, FAVOURITES_MAX)),
        attributes=whole.attributes,
        tags=tuple(whole.tags),
        consents=tuple(fold_consents(whole.consents)),
        usual_store_name=whole.store_names.get(usual_store_id) if usual_store_id else None,
        as_of=as_of.now,
    )
