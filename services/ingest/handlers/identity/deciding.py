"""Deciding: what people say about identifiers becomes an event like any other, executed when it is numbered."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast
from uuid import UUID, uuid4

from services.ingest.domain.linking import Community
from services.ingest.domain.links import Said
from services.ingest.drafts import Secrets
from services.ingest.store import identities
from services.ingest.store.identities import DONE, Decision
from shared.clock import Clock
from shared.db import Database, Transaction
from shared.events import Envelope, Source
from shared.events.customers import IdentityDecidedV1, IdentityDecision
from shared.identity import event_id_for
from shared.log import Outgoing, append

RULE_ACTOR = "rule"
SOURCE = Source(id="ingest", kind="service")
WAIT_SECONDS = 3.0
LOOK_SECONDS = 0.05

Moved = tuple[UUID, ...]


def decided(community: Community, decision: Decision) -> tuple[str, Moved]:
    """Execute a decision; return its outcome (`done`, or why nothing was done) and who moved."""
    if any(subject_id not in community.known for subject_id in decision.subject_ids):
        return "unknown_subject", ()
    execute = {
        "linked": _link,
        "unmerged": _unmerge,
        "claimed": _claim,
        "claim_undone": _undo_claim,
        "quarantined": _quarantine,
        "released": _release,
    }[decision.decision]
    return execute(community, decision)


def _link(community: Community, decision: Decision) -> tuple[str, Moved]:
    united = community.join(decision.subject_ids, Said(decision.event_id, decision.decided_at, "decided"))
    return (united.refused[0][1] if united.refused else DONE), united.moved


def _unmerge(community: Community, decision: Decision) -> tuple[str, Moved]:
    subject_ids = decision.subject_ids
    if decision.about_event_id is not None:
        moved = community.take_back(decision.about_event_id, subject_ids, decision.event_id)
        return ("still_connected", ()) if moved is None else (DONE, moved)
    everybody = {one for subject_id in subject_ids for one in community.members[community.customer(subject_id)]}
    if everybody == community.with_guests(subject_ids):
        return "nothing_left", ()
    return DONE, community.part(subject_ids, decision.event_id)


def _claim(community: Community, decision: Decision) -> tuple[str, Moved]:
    claimant, guest = decision.subject_ids
    if community.customer(guest) == community.customer(claimant):
        return DONE, ()
    if not community.is_guests_alone(guest):
        return "already_claimed", ()
    said = Said(decision.event_id, decision.decided_at, "claimed")
    united = community.unite(decision.subject_ids, said)
    return (united.refused[0][1] if united.refused else DONE), united.moved


def _undo_claim(community: Community, decision: Decision) -> tuple[str, Moved]:
    return DONE, community.let_go(decision.subject_ids[0], decision.event_id)


def _quarantine(community: Community, decision: Decision) -> tuple[str, Moved]:
    return DONE, community.hold(decision.subject_ids[0], decision.event_id)


def _release(community: Community, decision: Decision) -> tuple[str, Moved]:
    if not community.known[decision.subject_ids[0]].is_held:
        return "not_in_quarantine", ()
    return DONE, community.release(decision.subject_ids[0], decision.event_id)


def said_of(decision: Decision, received_at: datetime) -> Outgoing:
    """Return the event of a decision."""
    envelope = Envelope[IdentityDecidedV1].of(
        IdentityDecidedV1(
            decision=cast("IdentityDecision", decision.decision),
            subject_ids=decision.subject_ids,
            about_event_id=decision.about_event_id,
            reason=decision.reason,
            actor=decision.actor,
        ),
        event_id=decision.event_id,
        occurred_at=decision.decided_at,
        received_at=received_at,
        subject_id=decision.subject_ids[0],
        subject_kind="identified",
        source=SOURCE,
    )
    return Outgoing.of(envelope)


async def say_reissued(tx: Transaction, subject_id: UUID, before: UUID, secrets: Secrets, now: datetime) -> None:
    """Say that an identifier is somebody else's from now on: its subject is another one."""
    event_id = event_id_for(f"reissued/{subject_id}", int(now.timestamp() * 1000), secrets.event_ids)
    decision = Decision(event_id, "reissued", (subject_id, before), None, "silent too long", RULE_ACTOR, now, DONE)
    await identities.add_decision(tx, decision)
    await append(tx, [said_of(decision, now)])


@dataclass(frozen=True, slots=True)
class Deciding:
    """Says decisions, and waits for what comes of them."""

    database: Database
    secrets: Secrets
    clock: Clock

    async def decide(
        self,
        decision: IdentityDecision,
        subject_ids: Sequence[UUID],
        *,
        actor: str,
        reason: str | None,
        about_event_id: UUID | None = None,
    ) -> Decision:
        """Store a decision as an event; return it with its outcome, or without where that takes too long."""
        async with self.database.transaction() as tx:
            made = await self.say(
                tx, decision, subject_ids, actor=actor, reason=reason, about_event_id=about_event_id
            )
        return await self.executed(made)

    async def say(  # noqa: PLR0913 (one argument per field of a decision)
        self,
        tx: Transaction,
        decision: IdentityDecision,
        subject_ids: Sequence[UUID],
        *,
        actor: str,
        reason: str | None,
        about_event_id: UUID | None = None,
        outcome: str | None = None,
    ) -> Decision:
        """Store a decision in the transaction given; one that has its outcome already is only told."""
        now = self.clock.now()
        event_id = event_id_for(f"decision/{uuid4()}", int(now.timestamp() * 1000), self.secrets.event_ids)
        made = Decision(event_id, decision, tuple(subject_ids), about_event_id, reason, actor, now, outcome)
        await identities.add_decision(tx, made)
        await append(tx, [said_of(made, now)])
        return made

    async def executed(self, made: Decision) -> Decision:
        """Wait until a decision is numbered, which another process does; return it as it is then."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            found = await identities.decision_of(self.database, made.event_id)
            if found is None or found.outcome is not None or time.monotonic() > deadline:
                return found or made
            await asyncio.sleep(LOOK_SECONDS)
