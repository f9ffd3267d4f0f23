"""Accepting: drafts become stored events, each exactly once; everything else is recorded with its reason.

One transaction per request. The keys of the vault are made before it, in their own database; whatever the
transaction writes is written in sorted order, so that overlapping requests wait for each other and never deadlock.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from operator import itemgetter
from uuid import UUID

from pydantic import ValidationError

from services.ingest import metrics
from services.ingest.domain.digests import key_digest
from services.ingest.domain.faults import Fault, Refused
from services.ingest.domain.policy import Policy
from services.ingest.drafts import Draft, Rejected, Result, Secrets, event_id_of
from services.ingest.handlers.accepting import keeping, lookups, ordering
from services.ingest.handlers.accepting.aging import Ages, HeldBook
from services.ingest.handlers.accepting.closing import ClosedBook, without_erased
from services.ingest.handlers.accepting.lately import Lately
from services.ingest.handlers.accepting.ordering import Orders
from services.ingest.handlers.accepting.repeating import Repeat, repeats_of
from services.ingest.handlers.accepting.settling import Ready, settle
from services.ingest.handlers.identity.deciding import say_reissued
from services.ingest.mapping.reading import fault_of
from services.ingest.store import awaited, dedup, kept
from services.ingest.store import subjects as subject_store
from services.ingest.store.subjects import NewSubject
from services.ingest.vault import Vault
from shared.customers.assignments import Reads
from shared.db import Database, Transaction
from shared.log import append

Also = Callable[[Transaction, Sequence[Result]], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the keys said about a request's ready drafts."""

    accepted: tuple[Ready, ...]
    repeats: tuple[Ready, ...]
    conflicts: tuple[tuple[Ready, UUID], ...]
    """With the event that was accepted under the same key before."""
    recognised: tuple[Repeat, ...] = ()
    """Repeats of which nothing was made."""


@dataclass(frozen=True, slots=True)
class Acceptor:
    """What accepting needs: the database, the vault of keys and the secrets."""

    database: Database
    vault: Vault
    secrets: Secrets
    policy: Policy
    held: HeldBook
    closed: ClosedBook
    lately: Lately = field(default_factory=Lately)

    async def accept(self, inputs: Sequence[Draft | Rejected], also: Also | None = None) -> list[Result]:
        """Store what is new, recognise what is not, record what is wrong; return one result per input.

        `also` writes what must hold together with it, such as how far a file was read, in the same transaction.
        """
        if not inputs:
            return []
        self.lately.tidy()
        with metrics.INGEST_ACCEPT_SECONDS.labels(inputs[0].kind).time():
            closed = await self.closed.now()
            drafts = [without_erased(one, closed, self.secrets) for one in inputs if isinstance(one, Draft)]
            rejected = [one for one in inputs if isinstance(one, Rejected)]
            work = _Group(self, drafts, rejected, also)
            verdict = await work.store_plainly()
            if verdict is None:
                verdict = await work.store_alone()
        results = _results(verdict, work.rejected)
        _count(results, inputs)
        return results


@dataclass(slots=True)
class _Group:
    """What came in one request, or in several at once, on its way into the archive.

    Nearly every one takes the plain way: everything is looked up and sealed before the transaction, which is
    short. One that touches a terminal whose counting was reset, or an order that may be edited, decides inside
    its transaction, alone with that terminal's day or that order, since what it means depends on what is stored.
    """

    acceptor: Acceptor
    drafts: Sequence[Draft]
    """What is to be stored: all but what was recognised."""
    unread: Sequence[Rejected]
    also: Also | None = None
    recognised: Sequence[Repeat] = ()
    rejected: Sequence[Rejected] = ()
    unknown: Mapping[UUID, NewSubject] = field(default_factory=dict)
    """The subjects that may be new: all that this process did not store a moment ago."""

    async def store_plainly(self) -> Verdict | None:
        """Store it; None when a terminal's counting was, or is being, reset: then nothing was stored."""
        database = self.acceptor.database
        held = await self.acceptor.held.held()
        async with database.session() as session:
            await self._leave_out_repeats(session)
            found = await self._look_up(session, held)
        if not found.is_plain:
            return None
        ready = self._settled(found)
        sealer = await self._sealer(ready)
        async with database.transaction() as tx:
            if not await lookups.are_plain_days(tx, self.drafts):
                return None
            verdict = await self._write(tx, found, ready, sealer)
        self.acceptor.lately.committed(verdict.accepted)
        return verdict

    async def store_alone(self) -> Verdict:
        """Store it while nobody else decides about its terminals' days."""
        held = await self.acceptor.held.held()
        verdict = None
        while verdict is None:
            verdict = await self._store_alone_once(held)
        self.acceptor.lately.committed(verdict.accepted)
        return verdict

    async def _store_alone_once(self, held: frozenset[UUID]) -> Verdict | None:
        """Store it with keys made before, as whose they are was known then; None when that has changed since.

        The vault is another database: waiting for it inside the transaction would keep the days locked.
        """
        database = self.acceptor.database
        async with database.session() as session:
            foreseen = self._settled(await self._look_up(session, held))
        sealer = await self._sealer(foreseen)
        async with database.transaction() as tx:
            await lookups.lock_alone(tx, self.drafts, self.acceptor.secrets)
            found = await self._look_up(tx, held)
            ready = self._settled(found)
            if not sealer.holds(self._owners(ready)):
                return None
            verdict = await self._write(tx, found, ready, sealer)
        metrics.INGEST_EPOCHS_OPENED.inc(found.opened_epochs)
        return verdict

    async def _leave_out_repeats(self, reads: Reads) -> None:
        self.recognised = await repeats_of(reads, self.drafts, self.acceptor.secrets)
        if self.recognised:
            places = {one.draft.place for one in self.recognised}
            self.drafts = [draft for draft in self.drafts if draft.place not in places]

    async def _look_up(self, reads: Reads, held: frozenset[UUID]) -> lookups.Found:
        return await lookups.look_up(reads, self.drafts, self.acceptor.secrets, self.acceptor.policy, held)

    def _settled(self, found: lookups.Found) -> list[Ready]:
        ready: list[Ready] = []
        rejected = list(self.unread)
        known, orders = dict(found.originals), Orders(self.acceptor.secrets, dict(found.orders))
        for draft in self.drafts:
            try:
                ready.append(settle(draft, found, known, orders))
            except Refused as no:
                rejected.append(replace(_rejected(draft, no.fault), is_dropped=no.is_dropped))
            except ValidationError as error:
                rejected.append(_rejected(draft, fault_of(error)))
        self.rejected = rejected
        self.unknown = self.acceptor.lately.unknown_subjects(ready)
        return ready

    def _owners(self, ready: Sequence[Ready]) -> set[UUID]:
        """Return whose keys seal these: of the originals, of contact data, and of identifiers that may be new."""
        contacts = {one.subjects[0].subject_id for one in ready if one.draft.contacts and one.subjects}
        return contacts | self.unknown.keys() | {one.seals_under for one in ready}

    async def _sealer(self, ready: Sequence[Ready]) -> keeping.Sealer:
        contexts = [one.context for one in self.drafts] + [one.context for one in self.rejected]
        owners = self._owners(ready)
        return await keeping.Sealer.open(self.acceptor.vault, self.acceptor.secrets, owners, contexts)

    async def _write(
        self, tx: Transaction, found: lookups.Found, ready: Sequence[Ready], sealer: keeping.Sealer
    ) -> Verdict:
        await dedup.raise_epochs(tx, found.changed_epochs)
        verdict = _judge(ready, await dedup.claim_keys(tx, _claims(ready)), self.recognised)
        await dedup.claim_keys(tx, _aliases([*verdict.accepted, *verdict.repeats], self.acceptor.secrets))
        await append(tx, [event for one in verdict.accepted for event in one.outgoing])
        lately = self.acceptor.lately
        met = {one.subject_id for ready in verdict.accepted for one in ready.subjects} if self.unknown else set()
        new = await subject_store.add_subjects(tx, [self.unknown[one] for one in met & self.unknown.keys()])
        await kept.put_entries(tx, sealer.entries(verdict.accepted, new))
        if links := lately.unknown_links(verdict.accepted, new):
            await subject_store.add_pending_links(tx, links)
        if found.ages.seen_again or found.ages.reissued:
            await _keep_ages(tx, found.ages, new, self.acceptor.secrets, self.drafts[0].context.received_at)
        await kept.add_originals(tx, [sealer.original(one) for one in verdict.accepted if not one.draft.is_of_erased])
        await _keep_relations(tx, verdict)
        await _record(tx, sealer, verdict, self.rejected)
        if verdict.repeats or verdict.conflicts or verdict.recognised:
            await tx.acknowledge()
        if self.also is not None:
            await self.also(tx, _results(verdict, self.rejected))
        return verdict


def _rejected(draft: Draft, fault: Fault) -> Rejected:
    message_id = draft.message_id or str(event_id_of(draft.key, draft.at_ms, draft.context.secrets))
    original = b"{}" if draft.is_of_erased else draft.original
    return Rejected(draft.place, draft.context, draft.kind, fault, original, message_id)


def _claims(ready: Iterable[Ready]) -> list[dedup.Claim]:
    """Return one claim per key: the first draft's, where several of a request have one key."""
    claims: dict[bytes, dedup.Claim] = {}
    for one in ready:
        claims.setdefault(one.key_digest, dedup.Claim(one.key_digest, one.draft.content, one.event_id))
    return list(claims.values())


def _aliases(known: Iterable[Ready], secrets: Secrets) -> list[dedup.Claim]:
    """Return the further keys under which accepted and repeated events are to be found."""
    claims: dict[bytes, dedup.Claim] = {}
    for one in known:
        if one.draft.alias is not None:
            alias = key_digest(secrets.keys, one.draft.alias)
            claims.setdefault(alias, dedup.Claim(alias, one.draft.content, one.event_id))
    return list(claims.values())


def _judge(ready: Sequence[Ready], taken: Mapping[bytes, dedup.Claim], recognised: Iterable[Repeat]) -> Verdict:
    """Tell new from repeated from conflicting, in the order of the request."""
    before = dict(taken)
    accepted: list[Ready] = []
    repeats: list[Ready] = []
    conflicts: list[tuple[Ready, UUID]] = []
    for one in ready:
        claim = before.get(one.key_digest)
        if claim is None:
            before[one.key_digest] = dedup.Claim(one.key_digest, one.draft.content, one.event_id)
            accepted.append(one)
        elif claim.content_digest == one.draft.content:
            repeats.append(replace(one, event_id=claim.event_id))
        else:
            conflicts.append((one, claim.event_id))
    return Verdict(tuple(accepted), tuple(repeats), tuple(conflicts), tuple(recognised))


async def _keep_ages(tx: Transaction, ages: Ages, new: set[UUID], secrets: Secrets, now: datetime) -> None:
    """Keep when what ages was last seen, and say which identifiers turned out to be somebody else's now."""
    if ages.seen_again:
        seen_at = {subject_id: draft.occurred_at for subject_id, draft in ages.seen_again.items()}
        await subject_store.see_again(tx, seen_at)
    for subject_id in sorted(new.intersection(ages.reissued)):
        await say_reissued(tx, subject_id, ages.reissued[subject_id], secrets, now)


async def _keep_relations(tx: Transaction, verdict: Verdict) -> None:
    """Keep which receipts count for orders, and which receipts wait for what they refer to."""
    told = [(one.draft.place, one.order) for one in (*verdict.accepted, *verdict.repeats) if one.order is not None]
    await ordering.keep(tx, [order for _, order in sorted(told, key=itemgetter(0))])
    followers = [follower for one in verdict.accepted for follower in one.followers]
    if followers:
        await awaited.add_followers(tx, followers)


async def _record(tx: Transaction, sealer: keeping.Sealer, verdict: Verdict, rejected: Sequence[Rejected]) -> None:
    refusals = [sealer.refusal(one) for one in rejected if not one.is_dropped]
    refusals += [sealer.conflict(one, event_id) for one, event_id in verdict.conflicts]
    if refusals:
        await kept.record_refusals(tx, refusals)


def _results(verdict: Verdict, rejected: Sequence[Rejected]) -> list[Result]:
    results = [_accepted(one) for one in verdict.accepted]
    repeats: tuple[Ready | Repeat, ...] = (*verdict.repeats, *verdict.recognised)
    results += [Result(one.draft.place, one.message_id, "repeat", event_id=one.event_id) for one in repeats]
    results += [
        Result(
            one.draft.place, one.message_id, "conflict", "key_reused", keeping.CONFLICT_MESSAGE, one.draft.key_field
        )
        for one, _ in verdict.conflicts
    ]
    results += [
        Result(
            one.place,
            one.message_id,
            "dropped" if one.is_dropped else "refused",
            one.fault.code,
            one.fault.message,
            one.fault.field,
        )
        for one in rejected
    ]
    return sorted(results, key=lambda result: result.place)


def _accepted(one: Ready) -> Result:
    note, corrections = one.draft.note, one.draft.corrections
    if note is None:
        return Result(one.draft.place, one.message_id, "accepted", corrections=corrections, event_id=one.event_id)
    said = (note.code, note.message, note.field)
    return Result(one.draft.place, one.message_id, "accepted", *said, corrections, one.event_id)


def _count(results: Iterable[Result], inputs: Sequence[Draft | Rejected]) -> None:
    origins = {one.place: (one.kind, one.context.source.kind.value) for one in inputs}
    statuses = Counter((*origins[result.place], result.status) for result in results)
    for labels, times in statuses.items():
        metrics.INGEST_ITEMS.labels(*labels).inc(times)
    for result in results:
        if result.status == "refused" and result.code:
            metrics.INGEST_REFUSALS.labels(result.code).inc()
        if result.code == "identifier_ignored":
            metrics.INGEST_IGNORED_IDENTIFIERS.inc()
