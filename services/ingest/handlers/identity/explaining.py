"""Explaining: the identifiers of a customer, and why they are one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from services.ingest.domain.links import Pair
from services.ingest.errors import IdentityNotFound
from services.ingest.store import identities, subjects
from services.ingest.store.identities import Decision
from shared.customers import customer_of, subjects_of
from shared.db import Database, Row
from shared.events import decode

LINKS_MAX = 1000
DECISIONS_MAX = 200


@dataclass(frozen=True, slots=True)
class Identity:
    """A customer and what is shown of their identifiers."""

    customer_id: UUID
    subjects: Sequence[Row]


@dataclass(frozen=True, slots=True)
class Why:
    """The links and decisions around a customer."""

    identity: Identity
    links: Sequence[dict[str, Any]]
    decisions: Sequence[Decision]
    apart: Sequence[Pair]


async def identity_of(database: Database, subject_or_customer_id: UUID) -> Identity:
    """Return a customer by the id of any of their subjects. Raises IdentityNotFound."""
    customer_id = await customer_of(database, subject_or_customer_id)
    rows = await subjects.subjects_shown(database, await subjects_of(database, customer_id))
    if not rows:
        raise IdentityNotFound("no identifier has this id; it may be a guest's, or from elsewhere", field="id")
    return Identity(customer_id, rows)


async def why(database: Database, subject_or_customer_id: UUID) -> Why:
    """Return everything that was said and decided about a customer's identifiers. Raises IdentityNotFound."""
    identity = await identity_of(database, subject_or_customer_id)
    subject_ids = [row["subject_id"] for row in identity.subjects]
    links = [_link(row) for row in await identities.links_to_explain(database, subject_ids, LINKS_MAX)]
    decisions = await identities.decisions_about(database, subject_ids, DECISIONS_MAX)
    apart = await identities.apart_touching(database, subject_ids)
    return Why(identity, links, decisions, sorted(apart))


def _link(row: Row) -> dict[str, Any]:
    body = row["body"]
    is_decision = row["cause"] in {"decided", "claimed"}
    said_by = None if not body or is_decision else decode(body).source.id
    return {**{name: value for name, value in row.items() if name not in {"body", "n"}}, "said_by": said_by}
