"""Linking: runs inside numbering, in numbering order, in the one process that leads.

So every service hears of an assignment right behind the event that was its reason, and `version` rises in one
agreed order.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from uuid import UUID

from services.ingest import metrics
from services.ingest.domain.linking import Community, United
from services.ingest.drafts import Secrets
from services.ingest.store import subjects as store
from services.ingest.store.subjects import Assignment, PendingLink, ShownSubject
from shared.clock import Clock
from shared.db import Transaction
from shared.events import Envelope, Source, SubjectKind
from shared.events.customers import AssignmentCause, SubjectAssignedV1
from shared.identity import event_id_for
from shared.log import Outgoing
from shared.log.domain import Waiting

SOURCE = Source(id="ingest", kind="service")


@dataclass(slots=True)
class Linking:
    """The numbering hook."""

    secrets: Secrets
    clock: Clock

    async def __call__(self, tx: Transaction, waiting: Sequence[Waiting]) -> list[Outgoing]:
        """Link what the events about to be numbered say belongs together; return the assignments to be said."""
        pending = await store.take_pending_links(tx, [event.event_id for event in waiting])
        if not pending:
            return []
        links = [pending[event.event_id] for event in waiting if event.event_id in pending]
        named = {subject_id for link in links for subject_id in link.subject_ids}
        around = await store.assignments_around(tx, named)
        involved = named | around.keys() | {assigned.customer_id for assigned in around.values()}
        shown = await store.subjects_named(tx, involved)
        round_ = _Round(shown, {one.subject_id: one.version for one in around.values()}, around)
        for link in links:
            round_.unite(link)
        if round_.assignments:
            await store.assign(tx, round_.assignments)
        if round_.refused:
            await store.record_refused_links(tx, round_.refused)
        return [self._said(one, shown[one.subject_id], pending[one.event_id]) for one in round_.assignments]

    def _said(self, one: Assignment, shown: ShownSubject, link: PendingLink) -> Outgoing:
        kind: SubjectKind = "device" if shown.known.is_device else "identified"
        cause: AssignmentCause = "first_seen" if one.cause == "first_seen" else "linked"
        at_ms = int(link.occurred_at.timestamp() * 1000)
        envelope = Envelope[SubjectAssignedV1].of(
            SubjectAssignedV1(
                subject_id=one.subject_id,
                customer_id=one.customer_id,
                version=one.version,
                cause=cause,
                namespace=shown.namespace,
                masked=shown.masked,
            ),
            event_id=event_id_for(f"assigned/{one.subject_id}/{one.version}", at_ms, self.secrets.event_ids),
            occurred_at=link.occurred_at,
            received_at=self.clock.now(),
            subject_id=one.subject_id,
            subject_kind=kind,
            source=SOURCE,
        )
        return Outgoing.of(envelope)


class _Round:
    """The links of one numbering batch, one after the other."""

    def __init__(
        self,
        shown: Mapping[UUID, ShownSubject],
        versions: dict[UUID, int],
        around: Mapping[UUID, store.Assigned],
    ) -> None:
        self._shown = shown
        self._versions = versions
        customer_of = {one.subject_id: one.customer_id for one in around.values()}
        self._community = Community({subject_id: one.known for subject_id, one in shown.items()}, customer_of)
        self.assignments: list[Assignment] = []
        self.refused: list[tuple[UUID, UUID, str]] = []

    def unite(self, link: PendingLink) -> None:
        subject_ids = [subject_id for subject_id in link.subject_ids if subject_id in self._shown]
        united = self._community.unite(subject_ids)
        for subject_id, reason in united.refused:
            metrics.INGEST_LINKS.labels(reason).inc()
            self.refused.append((link.event_id, subject_id, reason))
        for subject_id in united.moved:
            self._assign(subject_id, link, "linked")
        self._introduce(subject_ids, united, link)

    def _introduce(self, subject_ids: Sequence[UUID], united: United, link: PendingLink) -> None:
        """Say a person's subject once although it did not move, so that everybody knows its namespace and mask."""
        for subject_id in subject_ids:
            is_person = not self._shown[subject_id].known.is_device
            if is_person and subject_id not in self._versions and subject_id not in united.moved:
                self._assign(subject_id, link, "first_seen")

    def _assign(self, subject_id: UUID, link: PendingLink, cause: str) -> None:
        metrics.INGEST_LINKS.labels(cause).inc()
        version = self._versions.get(subject_id, 0) + 1
        self._versions[subject_id] = version
        customer_id = self._community.customer(subject_id)
        self.assignments.append(Assignment(subject_id, customer_id, version, cause, link.event_id))
