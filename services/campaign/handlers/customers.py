"""Whom a caller means: a customer's id, or an identifier as the till read it."""

from dataclasses import dataclass
from typing import Protocol
from uuid import UUID

from services.campaign.errors import BadIdentifier
from shared.customers import customer_of
from shared.db import Database
from shared.identity import BlindIndexKeys, InvalidIdentifier, UnknownNamespace, normalise, subject_id_for


class Resolver(Protocol):
    """Resolves the identifiers that only ingest can."""

    async def resolve(self, namespace: str, value: str) -> UUID: ...


@dataclass(frozen=True, slots=True)
class Who:
    """A customer as a request names them; at most one of the two is set."""

    customer_id: UUID | None = None
    identifier: tuple[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Customers:
    """Finds customers. Cards and user ids are never issued again: their subjects are derived here, at once."""

    keys: BlindIndexKeys
    resolver: Resolver

    async def find(self, database: Database, who: Who) -> UUID | None:
        """Return the customer meant, None when nobody was named.

        Raises BadIdentifier for an identifier that cannot stand for a person.
        """
        if who.customer_id is not None:
            return await customer_of(database, who.customer_id)
        if who.identifier is None:
            return None
        return await customer_of(database, await self._subject_of(*who.identifier))

    async def _subject_of(self, namespace: str, value: str) -> UUID:
        try:
            self.keys.namespace_key(namespace)
        except UnknownNamespace:
            return await self.resolver.resolve(namespace, value)
        return self._derived(namespace, value)

    def _derived(self, namespace: str, value: str) -> UUID:
        try:
            return subject_id_for(namespace, self.keys.blind_index(namespace, normalise(namespace, value)))
        except InvalidIdentifier as error:
            raise BadIdentifier(str(error), field="/identifier") from error
