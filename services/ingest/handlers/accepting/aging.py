"""What a door must know of identifiers beside their values: which are in quarantine, which were issued again."""

import asyncio
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from services.ingest.domain.identifiers import Identifier
from services.ingest.domain.marks import are_same
from services.ingest.domain.policy import Policy, is_somebody_elses
from services.ingest.drafts import Draft, subject_id_now
from services.ingest.store import identities, subjects
from services.ingest.store.marks import marks_with
from services.ingest.store.subjects import BlindIndex, Latest
from shared.customers import customers_of
from shared.customers.assignments import Reads
from shared.db import Database

FRESH_SECONDS = 1.0
HELD_MAX = 100_000
SEEN_AGAIN_AFTER = timedelta(days=1)
"""How much later an identifier must be seen for that to be written down: once a day is enough to know its age."""


@dataclass(slots=True)
class HeldBook:
    """The identifiers in quarantine, read again at most once a second."""

    database: Database
    _held: frozenset[UUID] = frozenset()
    _read_at: float = float("-inf")
    _reading: asyncio.Lock = field(default_factory=asyncio.Lock)

    def forget(self) -> None:
        """Read again at the next question."""
        self._read_at = float("-inf")

    async def held(self) -> frozenset[UUID]:
        if self._is_old():
            async with self._reading:
                if self._is_old():
                    read_at = time.monotonic()
                    self._held = frozenset(await identities.held_subjects(self.database, HELD_MAX))
                    self._read_at = read_at
        return self._held

    def _is_old(self) -> bool:
        return time.monotonic() - self._read_at >= FRESH_SECONDS


@dataclass(frozen=True, slots=True)
class Ages:
    """The present generation of each identifier, those that this request finds to be issued again included."""

    generations: Mapping[BlindIndex, int] = field(default_factory=dict)
    reissued: Mapping[UUID, UUID] = field(default_factory=dict)
    """New subject → the one that the same identifier had before."""
    seen_again: Mapping[UUID, Draft] = field(default_factory=dict)


async def ages_of(reads: Reads, drafts: Sequence[Draft], policy: Policy, held: Collection[UUID] = ()) -> Ages:
    """Look up the generations of what can be re-issued, and find what was; `held` are in quarantine."""
    aging = {_index(one): one for draft in drafts for one in draft.identifiers if one.may_be_reissued}
    if not aging:
        return Ages()
    latest = await subjects.latest_of(reads, sorted(aging))
    generations = {index: one.generation for index, one in latest.items() if one.generation}
    stale = _stale(drafts, latest, policy)
    reissued: dict[UUID, UUID] = {}
    if stale:
        customers = await customers_of(reads, _subjects_of_all([draft for draft, _ in stale], generations))
        owners = {latest[_index(one)].subject_id for _, one in stale}
        told = await marks_with(reads, owners | {customers[one] for one in owners})
        for draft, identifier in stale:
            before = latest[_index(identifier)]
            known = [*told.get(before.subject_id, ()), *told.get(customers[before.subject_id], ())]
            if draft.marks is not None and are_same([draft.marks], known):
                continue
            if _is_somebody_elses(draft, before, customers, generations, held):
                generations[_index(identifier)] = before.generation + 1
                reissued[identifier.subject_id(before.generation + 1)] = before.subject_id
    return Ages(generations, reissued, _seen_again(drafts, latest, policy))


def _index(identifier: Identifier) -> BlindIndex:
    return identifier.namespace, identifier.blind_index


def _stale(
    drafts: Sequence[Draft], latest: Mapping[BlindIndex, Latest], policy: Policy
) -> list[tuple[Draft, Identifier]]:
    """Return the identifiers that were silent for long and now come with a stronger one."""
    return [
        (draft, one)
        for draft in drafts
        if draft.links
        for place, one in enumerate(draft.identifiers)
        if place and policy.ages(one.namespace) and (known := latest.get(_index(one))) is not None
        and policy.is_stale(one.namespace, known.last_seen_at, draft.occurred_at)
    ]  # fmt: skip


def _subjects_of_all(drafts: Sequence[Draft], generations: Mapping[BlindIndex, int]) -> set[UUID]:
    return {subject_id_now(one, generations) for draft in drafts for one in draft.identifiers}


def _is_somebody_elses(
    draft: Draft,
    before: Latest,
    customers: Mapping[UUID, UUID],
    generations: Mapping[BlindIndex, int],
    held: Collection[UUID],
) -> bool:
    """Whether a silent identifier is a customer's with a stronger one, of whom this draft names nothing else.

    What is in quarantine proves nothing: a cashier's card comes with everybody's number.
    """
    named = {subject_id_now(one, generations) for one in draft.identifiers}
    others = [one for one in named - {before.subject_id} if one not in held]
    holder = customers[before.subject_id]
    return bool(others) and is_somebody_elses(before.subject_id, holder, [customers[one] for one in others])


def _seen_again(drafts: Sequence[Draft], latest: Mapping[BlindIndex, Latest], policy: Policy) -> dict[UUID, Draft]:
    found: dict[UUID, Draft] = {}
    for draft in drafts:
        for one in draft.identifiers:
            known = latest.get(_index(one))
            if known is None or not policy.ages(one.namespace):
                continue
            newest = found.get(known.subject_id)
            since = known.last_seen_at if newest is None else newest.occurred_at
            is_alone = len(draft.identifiers) == 1
            if not policy.stays_fresh(one.namespace, known.last_seen_at, draft.occurred_at, is_alone=is_alone):
                continue
            if draft.occurred_at - since > SEEN_AGAIN_AFTER:
                found[known.subject_id] = draft
    return found
