"""Recognising: whose identifier it is today."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from uuid import UUID

from services.ingest.domain.closing import Closed, identifier_digest
from services.ingest.domain.identifiers import blind
from services.ingest.drafts import Secrets
from services.ingest.errors import BadIdentifier, IdentityNotFound
from services.ingest.store import subjects
from shared.db import Database
from shared.errors import field_error
from shared.identity import InvalidIdentifier


@dataclass(frozen=True, slots=True)
class ResolvedSubject:
    """Whose identifier it is."""

    subject_id: UUID
    customer_id: UUID
    is_known: bool


async def resolve(  # noqa: PLR0913, PLR0917 (one argument a fact)
    database: Database, secrets: Secrets, namespace: str, value: str, region: str, closed: Mapping[bytes, Closed]
) -> ResolvedSubject:
    """Return the subject of an identifier as it is today, and its customer. Raises BadIdentifier.

    One whose owner was erased means the next generation: nobody yet, or who has it since.
    """
    try:
        identifier = blind(secrets.blind, namespace, value, region)
    except InvalidIdentifier as error:
        field = "/namespace" if error.field == "namespace" else "/value"
        message = f"{error.field} {error.reason}; {error.cure}"
        errors = [field_error(field, message, "invalid_identifier")]
        raise BadIdentifier(message, field=field, errors=errors) from error
    erased = closed.get(identifier_digest(secrets.erasures, identifier.namespace, identifier.blind_index))
    if erased is not None and identifier.may_be_reissued:
        identifier = replace(identifier, generation_min=erased.generation + 1)
    found = await subjects.meaning_of(database, (identifier.namespace, identifier.blind_index))
    if found is None or found.generation < identifier.generation_min:
        nobody_yet = identifier.subject_id()
        return ResolvedSubject(nobody_yet, nobody_yet, is_known=False)
    return ResolvedSubject(found.subject_id, found.customer_id, is_known=True)


async def resolve_known(  # noqa: PLR0913, PLR0917 (one argument a fact)
    database: Database, secrets: Secrets, namespace: str, value: str, region: str, closed: Mapping[bytes, Closed]
) -> UUID:
    """Return the subject of an identifier that was seen before. Raises BadIdentifier and IdentityNotFound."""
    found = await resolve(database, secrets, namespace, value, region, closed)
    if not found.is_known:
        raise IdentityNotFound("this identifier was never seen here; send the customer first", field="/identifier")
    return found.subject_id
