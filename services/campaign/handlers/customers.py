"""Whom a caller means: a customer's id, or an identifier as the till read it."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.campaign.errors import BadIdentifier, IngestAway
from shared.customers import customer_of
from shared.customers.resolver import InvalidLookup, ResolverAway
from shared.db import Database


class Resolver(Protocol):
    """Turns an identifier into its subject. Raises InvalidLookup, ResolverAway."""

    async def subject_of(self, namespace: str, value: str) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Who:
    """A customer as a request names them; at most one of the two is set."""

    customer_id: UUID | None = None
    identifier: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Customers:
    """Finds customers."""

    resolver: Resolver

    async def find(self, database: Database, who: Who) -> UUID | None:
        """Return the customer meant, None when nobody was named.

        Raises BadIdentifier for an identifier that cannot stand for a person, IngestAway when nobody can say whose it
        is for the moment.
        """
        if who.customer_id is not None:
            return await customer_of(database, who.customer_id)
        if who.identifier is None:
            return None
        return await customer_of(database, await self._subject_of(*who.identifier))

    async def _subject_of(self, namespace: str, value: str) -> UUID:
        try:
            return await self.resolver.subject_of(namespace, value)
        except InvalidLookup as refused:
            raise BadIdentifier(refused.message, field=refused.field) from refused
        except ResolverAway as away:
            raise IngestAway(
                "the identifier cannot be looked up at the moment", retry_after_seconds=away.retry_after_seconds
            ) from away
