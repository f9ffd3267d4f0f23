"""What accepting looks up before it decides: generations, epochs and originals, each in one query per request."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from uuid import UUID

from services.ingest.domain.digests import key_digest
from services.ingest.domain.epochs import EPOCHS_MAX, Epoch, TillMoment, settle_epochs
from services.ingest.domain.orders import Standing
from services.ingest.domain.policy import Policy
from services.ingest.drafts import Draft, KnownEvent, Secrets, Settled, event_id_of
from services.ingest.handlers.accepting import ordering
from services.ingest.handlers.accepting.aging import Ages, ages_of
from services.ingest.handlers.accepting.bearing import doubtful_of
from services.ingest.store import archive, dedup
from services.ingest.store.dedup import TerminalDay
from shared.customers.assignments import Reads
from shared.db import Transaction
from shared.events import Envelope
from shared.events.base import EventData
from shared.events.receipts import ReceiptRecordedV1
from shared.identity import TillKey


@dataclass(frozen=True, slots=True)
class Found:
    """What was looked up for one request."""

    secrets: Secrets
    ages: Ages = field(default_factory=Ages)
    held: frozenset[UUID] = frozenset()
    doubtful: frozenset[UUID] = frozenset()
    epoch_of_place: Mapping[int, int] = field(default_factory=dict)
    changed_epochs: Mapping[TerminalDay, Sequence[Epoch]] = field(default_factory=dict)
    original_ids: Mapping[int, tuple[UUID, int]] = field(default_factory=dict)
    originals: Mapping[UUID, KnownEvent] = field(default_factory=dict)
    orders: Mapping[bytes, Standing] = field(default_factory=dict)
    edits_orders: bool = False

    @property
    def generations(self) -> Mapping[tuple[str, bytes], int]:
        return self.ages.generations

    @property
    def is_plain(self) -> bool:
        """Whether every till of the request is in the first run of its day, and no order in it can be edited."""
        return not self.edits_orders and not any(self.epoch_of_place.values())

    @property
    def opened_epochs(self) -> int:
        """How many runs of numbers this request opens beyond the first of a day."""
        return sum(1 for epochs in self.changed_epochs.values() for epoch in epochs if epoch.is_new and epoch.number)

    def key_of(self, draft: Draft) -> str | TillKey:
        """Return the draft's key, in the epoch that was found for it."""
        if isinstance(draft.key, TillKey):
            return replace(draft.key, sequence_epoch=self.epoch_of_place.get(draft.place, 0))
        return draft.key

    def settled(
        self, draft: Draft, event_id: UUID, known: Mapping[UUID, KnownEvent], others: tuple[UUID, ...] = ()
    ) -> Settled:
        """Return what a draft's events still need; `others` are its weaker identifiers' subjects."""
        key = self.key_of(draft)
        epoch = key.sequence_epoch if isinstance(key, TillKey) else 0
        if draft.refers_to is None:
            return Settled(event_id, epoch, other_subject_ids=others)
        original_id, original_epoch = self.original_ids[draft.place]
        return Settled(event_id, epoch, original_id, original_epoch, known.get(original_id), others)


async def look_up(
    reads: Reads, drafts: Sequence[Draft], secrets: Secrets, policy: Policy, held: frozenset[UUID]
) -> Found:
    """Look up what these drafts need; a request that needs nothing costs no query."""
    ages = await ages_of(reads, drafts, policy, held)
    tills = [draft for draft in drafts if isinstance(draft.key, TillKey)]
    days = await _epochs(reads, drafts)
    chosen, changed = _settled_epochs(tills, days)
    chosen |= await _repeats_in_other_epochs(reads, tills, chosen, days, secrets)
    original_ids = await _original_ids(reads, drafts, days, secrets)
    orders = await ordering.standings_of(reads, drafts, secrets)
    wanted = {original_id for original_id, _ in original_ids.values()} | {one.event_id for one in orders.values()}
    originals = await _originals(reads, wanted)
    doubtful = await doubtful_of(reads, drafts, ages.generations)
    edits = any(draft.told is not None for draft in drafts)
    return Found(secrets, ages, held, doubtful, chosen, changed, original_ids, originals, orders, edits)


async def are_plain_days(tx: Transaction, drafts: Sequence[Draft]) -> bool:
    """Say whether all tills of these drafts are still in the first run of their day.

    The days are locked against anybody who opens a new run, not against each other; so two requests that
    carry the same receipt can never put it into different runs.
    """
    tills = [draft for draft in drafts if isinstance(draft.key, TillKey)]
    if not tills:
        return True
    await dedup.lock_days(tx, _days(tills), exclusive=False)
    chosen, _ = _settled_epochs(tills, await _epochs(tx, tills))
    return not any(chosen.values())


async def lock_alone(tx: Transaction, drafts: Sequence[Draft], secrets: Secrets) -> None:
    """Let nobody else decide about these drafts' terminals and days, and their orders, until the transaction ends."""
    await dedup.lock_days(tx, _days(draft for draft in drafts if isinstance(draft.key, TillKey)), exclusive=True)
    await ordering.lock(tx, drafts, secrets)


def _days(tills: Iterable[Draft]) -> set[TerminalDay]:
    return {_day(draft.key) for draft in tills if isinstance(draft.key, TillKey)}


def _day(key: TillKey) -> TerminalDay:
    return key.store_id, key.terminal_id, key.business_date


async def _epochs(reads: Reads, drafts: Iterable[Draft]) -> dict[TerminalDay, tuple[Epoch, ...]]:
    numbers: dict[TerminalDay, set[int]] = {}
    for draft in drafts:
        for key in (draft.key, draft.refers_to):
            if isinstance(key, TillKey):
                numbers.setdefault(_day(key), set()).add(key.sequence_number)
    return await dedup.epochs_around(reads, numbers) if numbers else {}


def _settled_epochs(
    tills: Iterable[Draft], days: Mapping[TerminalDay, tuple[Epoch, ...]]
) -> tuple[dict[int, int], dict[TerminalDay, Sequence[Epoch]]]:
    by_day: dict[TerminalDay, list[TillMoment]] = {}
    for draft in tills:
        assert isinstance(draft.key, TillKey)
        given = draft.key.sequence_epoch if draft.is_epoch_given else None
        # By the till's own clock: a correction that is found out in the middle of a day is no step in its time.
        at = draft.occurred_at if draft.reading is None else draft.reading.device_at
        moment = TillMoment(draft.place, draft.key.sequence_number, at, given)
        by_day.setdefault(_day(draft.key), []).append(moment)
    chosen: dict[int, int] = {}
    changed: dict[TerminalDay, Sequence[Epoch]] = {}
    for day, moments in by_day.items():
        before = days.get(day, ())
        places, after = settle_epochs(before, moments)
        chosen |= places
        if news := [epoch for epoch in after if epoch not in before]:
            changed[day] = news
    return chosen, changed


async def _repeats_in_other_epochs(
    reads: Reads,
    tills: Iterable[Draft],
    chosen: Mapping[int, int],
    days: Mapping[TerminalDay, tuple[Epoch, ...]],
    secrets: Secrets,
) -> dict[int, int]:
    """Find receipts that were accepted in another epoch: the same key and content is a repeat in any."""
    candidates: dict[bytes, list[tuple[Draft, int]]] = {}
    for draft in tills:
        assert isinstance(draft.key, TillKey)
        latest = days.get(_day(draft.key), ())[-EPOCHS_MAX:]
        others = {0, *(epoch.number for epoch in latest)} - {chosen[draft.place]}
        for epoch in others:
            text = replace(draft.key, sequence_epoch=epoch).text
            candidates.setdefault(key_digest(secrets.keys, text), []).append((draft, epoch))
    if not candidates:
        return {}
    known = await dedup.known_keys(reads, candidates)
    return {
        draft.place: epoch
        for digest, alike in candidates.items()
        for draft, epoch in alike
        if digest in known and known[digest].content_digest == draft.content
    }


async def _original_ids(
    reads: Reads, drafts: Iterable[Draft], days: Mapping[TerminalDay, tuple[Epoch, ...]], secrets: Secrets
) -> dict[int, tuple[UUID, int]]:
    """Return the id (and epoch) of each draft's original: where several runs used its number, the latest known."""
    referring = [draft for draft in drafts if draft.refers_to is not None]
    found: dict[int, tuple[UUID, int]] = {}
    candidates: dict[bytes, tuple[int, TillKey]] = {}
    for draft in referring:
        key = draft.refers_to
        assert key is not None
        epoch = key.sequence_epoch if isinstance(key, TillKey) else 0
        found[draft.place] = (event_id_of(key, 0 if isinstance(key, str) else key.at_ms, secrets), epoch)
        if isinstance(key, TillKey) and not draft.refers_with_epoch:
            for later in days.get(_day(key), ()):
                other = replace(key, sequence_epoch=later.number)
                candidates[key_digest(secrets.keys, other.text)] = (draft.place, other)
    several = {digest: one for digest, one in candidates.items() if one[1].sequence_epoch > 0}
    if several:
        known = await dedup.known_keys(reads, several)
        for digest, (place, key) in sorted(several.items(), key=lambda item: item[1][1].sequence_epoch):
            if digest in known:
                found[place] = (known[digest].event_id, key.sequence_epoch)
    return found


async def _originals(reads: Reads, event_ids: set[UUID]) -> dict[UUID, KnownEvent]:
    if not event_ids:
        return {}
    envelopes = await archive.envelopes_of(reads, event_ids)
    return {event_id: known_event(envelope) for event_id, envelope in envelopes.items()}


def known_event(envelope: Envelope[EventData]) -> KnownEvent:
    """Return what a later return or void needs of a receipt."""
    receipt = envelope.data if isinstance(envelope.data, ReceiptRecordedV1) else None
    return KnownEvent(
        envelope.event_id,
        envelope.subject_id,
        envelope.subject_kind,
        None if receipt is None else receipt.sold_minor * receipt.is_finished,
        None if receipt is None else receipt.currency,
    )
