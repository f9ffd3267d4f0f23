"""Linking: runs inside numbering, in numbering order, in the one process that leads.

So every service hears of an assignment right behind the event or decision that was its reason, and `version`
rises in one agreed order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.linking import Community
from services.ingest.domain.links import Cause, Said
from services.ingest.domain.policy import GUEST
from services.ingest.drafts import Secrets
from services.ingest.handlers.identity.deciding import RULE_ACTOR, decided, said_of
from services.ingest.handlers.identity.following import take_followed
from services.ingest.store import identities
from services.ingest.store import marks as marks_store
from services.ingest.store import subjects as store
from services.ingest.store.identities import DONE, Decision, Quarantined
from services.ingest.store.subjects import Assignment, PendingLink, ShownSubject
from shared.clock import Clock
from shared.db import Transaction
from shared.events import Envelope, Source, SubjectKind
from shared.events.customers import AssignmentCause, SubjectAssignedV1
from shared.identity import event_id_for
from shared.log import Outgoing
from shared.log.domain import Waiting

SOURCE = Source(id="ingest", kind="service")
_CAUSES: Mapping[str, AssignmentCause] = {
    "linked": "merged",
    "unmerged": "unmerged",
    "claimed": "claimed",
    "claim_undone": "unmerged",
    "quarantined": "quarantined",
    "released": "linked",
}


async def laborious_among(tx: Transaction, waiting: Sequence[Waiting]) -> set[UUID]:
    """Return those of these events that linking, or an erasure, has work with once they are numbered."""
    return await identities.with_consequences(tx, [event.event_id for event in waiting])


@dataclass(slots=True)
class Linking:
    """The numbering hook."""

    secrets: Secrets
    clock: Clock

    async def __call__(self, tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        """Link what the events about to be numbered say belongs together, and execute what they decide.

        Returns the assignments to be said.
        """
        event_ids = [event.event_id for event in waiting]
        links = await store.take_pending_links(tx, event_ids)
        decisions = await identities.pending_decisions(tx, event_ids)
        followed = await take_followed(tx, waiting)
        if not links and not decisions and not followed:
            return []
        named = {one for link in links.values() for one in link.subject_ids}
        named |= {one for decision in decisions.values() for one in decision.subject_ids}
        named |= {one for link in followed for one in link.subject_ids}
        round_ = await _Round.open(tx, self, named)
        for event_id in event_ids:
            if event_id in links:
                await round_.unite(links[event_id])
            elif event_id in decisions:
                await round_.execute(decisions[event_id])
        for link in followed:
            await round_.unite(link)
        return await round_.finish()


@dataclass(slots=True)
class _Round:
    """The links and decisions of one numbering batch, one after the other."""

    tx: Transaction
    linking: Linking
    shown: Mapping[UUID, ShownSubject]
    versions: dict[UUID, int]
    community: Community
    assignments: list[Assignment] = field(default_factory=list)
    said: list[Outgoing] = field(default_factory=list)

    @classmethod
    async def open(cls, tx: Transaction, linking: Linking, named: set[UUID]) -> "_Round":
        """Load everybody around: the customers of these subjects, and of those that links were refused with.

        And whom those in turn were seen with, since a phone is contested by cards further away.
        """
        around = await store.assignments_around(tx, named)
        known = _everybody(named, around)
        touching = await identities.links_touching(tx, known)
        for is_last in (False, True):
            beyond = {end for link in touching for end in link.pair} - known
            if not beyond:
                break
            around |= await store.assignments_around(tx, beyond)
            known |= _everybody(beyond, around)
            if not is_last:
                touching = await identities.links_touching(tx, known)
        shown = await store.subjects_named(tx, known)
        links = [link for link in touching if link.left in shown and link.right in shown]
        community = Community(
            known={subject_id: one.known for subject_id, one in shown.items()},
            customer_of={one.subject_id: one.customer_id for one in around.values()},
            links={link.pair: link for link in links},
            apart=await identities.apart_touching(tx, shown),
            marks=await marks_store.marks_with(tx, shown),
        )
        versions = {one.subject_id: one.version for one in around.values()}
        return cls(tx, linking, shown, versions, community)

    async def unite(self, link: PendingLink) -> None:
        """Link the subjects of one event."""
        subject_ids = [subject_id for subject_id in link.subject_ids if subject_id in self.shown]
        said = Said(link.event_id, link.occurred_at, cast("Cause", link.cause))
        united = self.community.unite(subject_ids, said, link.marks)
        for _, reason in united.refused:
            self.tx.on_commit(metrics.INGEST_LINKS.labels(reason).inc)
        for subject_id in united.shared:
            await self._quarantine(subject_id, said)
        cause: AssignmentCause = "quarantined" if united.shared else "linked"
        for subject_id in united.moved:
            self._assign(subject_id, said, cause)
        self._introduce(subject_ids, united.moved, said)

    def _introduce(self, subject_ids: Sequence[UUID], moved: Sequence[UUID], said: Said) -> None:
        """Say a person's subject once although it did not move, so that everybody knows its namespace and mask."""
        for subject_id in subject_ids:
            known = self.shown[subject_id].known
            is_person = not known.is_device and known.namespace != GUEST
            if is_person and subject_id not in self.versions and subject_id not in moved:
                self._assign(subject_id, said, "first_seen")

    async def _quarantine(self, subject_id: UUID, said: Said) -> None:
        """Keep, and say, that a rule found an identifier that too many share."""
        at = said.occurred_at
        await identities.put_quarantine(self.tx, Quarantined(subject_id, "held", "shared", said.event_id, at))
        key = f"shared/{subject_id}/{said.event_id}"
        event_id = event_id_for(key, int(at.timestamp() * 1000), self.linking.secrets.event_ids)
        decision = Decision(event_id, "quarantined", (subject_id,), None, "shared", RULE_ACTOR, at, DONE)
        await identities.add_decision(self.tx, decision)
        self.said.append(said_of(decision, self.linking.clock.now()))

    async def execute(self, decision: Decision) -> None:
        """Do what somebody decided; keep what came of it."""
        before = set(self.community.apart)
        outcome, moved = decided(self.community, decision)
        if outcome != DONE:
            self.community.apart = before
        after = self.community.apart
        if before != after:
            await identities.save_apart(self.tx, after - before, before - after, decision.event_id)
        if outcome == DONE and decision.decision in {"quarantined", "released"}:
            state = "held" if decision.decision == "quarantined" else "released"
            reason = decision.reason or "decided"
            await identities.put_quarantine(
                self.tx,
                Quarantined(decision.subject_ids[0], state, reason, decision.event_id, decision.decided_at),
            )
        for subject_id in moved:
            self._assign(
                subject_id, Said(decision.event_id, decision.decided_at, "decided"), _CAUSES[decision.decision]
            )
        await identities.settle_decision(self.tx, decision.event_id, outcome, len(moved))

    def _assign(self, subject_id: UUID, said: Said, cause: AssignmentCause) -> None:
        self.tx.on_commit(metrics.INGEST_LINKS.labels(cause).inc)
        version = self.versions.get(subject_id, 0) + 1
        self.versions[subject_id] = version
        customer_id = self.community.customer(subject_id)
        assignment = Assignment(subject_id, customer_id, version, cause, said.event_id)
        self.assignments.append(assignment)
        shown, now = self.shown[subject_id], self.linking.clock.now()
        known = None if shown.namespace == GUEST else shown
        self.said.append(assigned(assignment, known, said.occurred_at, now, self.linking.secrets))

    async def finish(self) -> list[Outgoing]:
        """Store what changed; return what is to be said, in the order in which it was found."""
        changed = self.community.changed
        links = [link for pair, link in self.community.links.items() if pair in changed]
        if links:
            await identities.save_links(self.tx, links)
        if self.community.marked:
            await marks_store.add_marks(self.tx, self.community.marked)
        if self.assignments:
            await store.assign(self.tx, self.assignments)
        return self.said


def assigned(
    one: Assignment, shown: ShownSubject | None, at: datetime, received_at: datetime, secrets: Secrets
) -> Outgoing:
    """Return the event of an assignment; `shown` is None for a guest's subject."""
    kind: SubjectKind = "guest" if shown is None else "device" if shown.known.is_device else "identified"
    envelope = Envelope[SubjectAssignedV1].of(
        SubjectAssignedV1(
            subject_id=one.subject_id,
            customer_id=one.customer_id,
            version=one.version,
            cause=cast("AssignmentCause", one.cause),
            namespace=None if shown is None else shown.namespace,
            masked=None if shown is None else shown.masked,
        ),
        event_id=event_id_for(
            f"assigned/{one.subject_id}/{one.version}", int(at.timestamp() * 1000), secrets.event_ids
        ),
        occurred_at=at,
        received_at=received_at,
        subject_id=one.subject_id,
        subject_kind=kind,
        source=SOURCE,
    )
    return Outgoing.of(envelope)


def _everybody(named: set[UUID], around: Mapping[UUID, store.Assigned]) -> set[UUID]:
    return named | around.keys() | {assigned.customer_id for assigned in around.values()}
