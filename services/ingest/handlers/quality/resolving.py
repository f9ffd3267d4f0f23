"""Refusals: opening one, and what is done about them: correct, replay, accept as a new epoch, discard.

A replay goes the way that the input came, in the name of its own source and as of when it first came; so doing it
twice, or from two desks at once, stores it once. It is resolved after it was stored: a crash between the two is
made up for by the next replay, which finds a repeat.
"""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

import orjson

from services.ingest.domain.privacy import scrubbed_text
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.drafts import Context, Draft, Rejected, Result, Secrets
from services.ingest.errors import AlreadyResolved, NotReplayable, RefusalNotFound
from services.ingest.handlers.accepting.keeping import open_refusal
from services.ingest.handlers.sources.counting import Accepts
from services.ingest.handlers.sources.registering import SourceBook
from services.ingest.mapping.kinds import READERS, Reader
from services.ingest.mapping.reading import draft_each
from services.ingest.mapping.receipts import KIND as RECEIPTS
from services.ingest.mapping.receipts import till_key_of_item
from services.ingest.store import dedup
from services.ingest.store import refusals as store
from services.ingest.store.kept import Refusal
from services.ingest.store.refusals import Resolution, Resolved
from services.ingest.vault import Vault
from shared.clock import Clock
from shared.db import Database
from shared.errors import Forbidden
from shared.keys import Caller

ContextOf = Callable[[Source, datetime, Sequence[Any]], Awaitable[Context]]
_STORED = frozenset({"accepted", "repeat"})


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one refusal; `result` None: nothing was tried."""

    refusal: Refusal
    result: Result | None = None
    is_forgotten: bool = False
    """Its key is gone, and with it what was sent."""


@dataclass(frozen=True, slots=True)
class Resolver:
    """What resolving needs of the service."""

    database: Database
    vault: Vault
    secrets: Secrets
    clock: Clock
    sources: SourceBook
    acceptor: Accepts
    context_of: ContextOf

    async def named(self, refusal_id: UUID) -> Refusal:
        """Return a refusal. Raises RefusalNotFound."""
        found = await store.refusal(self.database, refusal_id)
        if found is None:
            raise _not_found()
        return found

    async def seen_by(self, caller: Caller, refusal_id: UUID) -> Refusal:
        """Return a refusal of the caller's stores. Raises RefusalNotFound, also where it is of others."""
        refusal = await self.named(refusal_id)
        if not caller.may_see(refusal.store_ids):
            raise _not_found()
        return refusal

    async def opened(self, refusal_id: UUID, caller: Caller, purpose: str) -> tuple[Refusal, bytes | None]:
        """Open what was sent; who asked, and what for, is kept first. None where it was forgotten."""
        refusal = await self.seen_by(caller, refusal_id)
        async with self.database.transaction() as tx:
            await store.audit_opening(tx, caller, purpose, refusal_id)
        return refusal, (await self._originals([refusal])).get(refusal_id)

    async def correct(self, refusal_id: UUID, item: Mapping[str, Any], caller: Caller, note: str | None) -> Outcome:
        """Accept an input in a refusal's place. Raises RefusalNotFound, AlreadyResolved, NotReplayable."""
        _check_all_stores(caller)
        refusal = await self.named(refusal_id)
        if refusal.resolution is not None:
            raise AlreadyResolved(f"this refusal was {refusal.resolution} already; nothing was changed")
        _reader_of(refusal)
        return (await self._accept([(refusal, item)], "corrected", caller, note))[0]

    async def replay(
        self, refusals: Sequence[Refusal], caller: Caller, *, as_new_epoch: bool = False
    ) -> list[Outcome]:
        """Accept refused inputs as they came; receipts in conflict in a new run of their till's numbers.

        What was resolved before, or cannot be replayed, is left as it is.
        """
        _check_all_stores(caller)
        waiting = [one for one in refusals if _is_replayable(one, as_new_epoch=as_new_epoch)]
        originals = await self._originals(waiting)
        items = [(one, _parsed(originals[one.refusal_id])) for one in waiting if one.refusal_id in originals]
        if as_new_epoch:
            items = await self._in_new_epochs(items)
        resolution: Resolution = "new_epoch" if as_new_epoch else "replayed"
        done = {one.refusal.refusal_id: one for one in await self._accept(items, resolution, caller, None)}
        return [
            done.get(one.refusal_id, Outcome(one, is_forgotten=one in waiting and one.refusal_id not in originals))
            for one in refusals
        ]

    async def replay_one(self, refusal_id: UUID, caller: Caller, *, as_new_epoch: bool) -> Outcome:
        """Replay one refusal. Raises RefusalNotFound, NotReplayable."""
        refusal = await self.named(refusal_id)
        _reader_of(refusal)
        if refusal.resolution is None and not _is_replayable(refusal, as_new_epoch=as_new_epoch):
            raise NotReplayable(_why_not(refusal))
        return (await self.replay([refusal], caller, as_new_epoch=as_new_epoch))[0]

    async def discard(self, refusals: Sequence[Refusal], caller: Caller, reason: str) -> int:
        """Say that nothing will be done about these; return for how many that is news."""
        _check_all_stores(caller)
        at = self.clock.now()
        resolved = [
            Resolved(one.refusal_id, "discarded", at, caller.actor, _clean(reason))
            for one in refusals
            if one.resolution is None
        ]
        async with self.database.transaction() as tx:
            return len(await store.resolve(tx, resolved))

    async def _originals(self, refusals: Sequence[Refusal]) -> dict[UUID, bytes]:
        keys = await self.vault.existing_keys(one.key_id for one in refusals)
        return {one.refusal_id: open_refusal(keys[one.key_id], one) for one in refusals if one.key_id in keys}

    async def _accept(
        self, items: Sequence[tuple[Refusal, Any]], resolution: Resolution, caller: Caller, note: str | None
    ) -> list[Outcome]:
        inputs = await self._drafts(items)
        results = await self.acceptor.accept(inputs)
        at = self.clock.now()
        resolved = [
            Resolved(refusal.refusal_id, resolution, at, caller.actor, _clean(note), result.event_id)
            for (refusal, _), result in zip(items, results, strict=True)
            if result.status in _STORED
        ]
        if resolved:
            async with self.database.transaction() as tx:
                await store.resolve(tx, resolved)
        return [Outcome(refusal, result) for (refusal, _), result in zip(items, results, strict=True)]

    async def _drafts(self, items: Sequence[tuple[Refusal, Any]]) -> list[Draft | Rejected]:
        inputs: list[Draft | Rejected] = []
        for place, (refusal, item) in enumerate(items):
            reader = READERS[refusal.kind]
            message_id = partial(_message_id, reader, self.secrets)
            context = await self.context_of(await self._source_of(refusal), refusal.received_at, [item])
            (one,) = draft_each([item], reader.kind, context, reader.drafting, message_id)
            inputs.append(replace(one, place=place))
        return inputs

    async def _source_of(self, refusal: Refusal) -> Source:
        """Return the source as it is now; an API key is none that is listed, and speaks as it did then."""
        known = await self.sources.named(refusal.source_id)
        if known is not None:
            return known
        stores = None if refusal.store_ids is None else frozenset(refusal.store_ids)
        return Source(refusal.source_id, SourceKind(refusal.source_kind), stores)

    async def _in_new_epochs(self, items: Sequence[tuple[Refusal, Any]]) -> list[tuple[Refusal, Any]]:
        """Give receipts the run after the last one known of their till's day: all of a day share one."""
        days = {}
        for refusal, item in items:
            key = till_key_of_item(item) if isinstance(item, Mapping) else None
            if key is not None:
                days[refusal.refusal_id] = (key.store_id, key.terminal_id, key.business_date)
        epochs = await dedup.epochs_of(self.database, sorted(set(days.values()))) if days else {}
        return [
            (refusal, {**item, "sequence_epoch": _next_epoch(epochs.get(days[refusal.refusal_id], ()))})
            for refusal, item in items
            if refusal.refusal_id in days
        ]


def _not_found() -> RefusalNotFound:
    return RefusalNotFound("there is no refusal of this id; see GET /v1/refusals", field="refusal_id")


def _clean(note: str | None) -> str | None:
    """Return what somebody noted without contact data: notes are readable by more people than refusals."""
    return None if note is None else scrubbed_text(note)


def _message_id(reader: Reader, secrets: Secrets, fields: Mapping[str, Any]) -> str | None:
    return reader.message_id(fields, secrets)


def _next_epoch(epochs: Sequence[Any]) -> int:
    return max((epoch.number for epoch in epochs), default=0) + 1


def _parsed(original: bytes) -> Any:  # noqa: ANN401 (whatever was sent)
    try:
        return orjson.loads(original)
    except orjson.JSONDecodeError:
        # What was no JSON that can be kept was kept as text, and is refused as that again.
        return original.decode("utf-8", "replace")


def _is_replayable(refusal: Refusal, *, as_new_epoch: bool) -> bool:
    if refusal.resolution is not None or refusal.kind not in READERS:
        return False
    return refusal.outcome == "refused" if not as_new_epoch else _has_epochs(refusal)


def _has_epochs(refusal: Refusal) -> bool:
    return refusal.outcome == "conflict" and refusal.kind == RECEIPTS


def _why_not(refusal: Refusal) -> str:
    if _has_epochs(refusal):
        return "as it is it would be a conflict again; replay it with as_new_epoch, correct it, or discard it"
    if refusal.outcome == "conflict":
        return "as it is it would be a conflict again; correct it with a number of its own, or discard it"
    return "it is no receipt in conflict; replay it without as_new_epoch"


def _reader_of(refusal: Refusal) -> None:
    if refusal.kind not in READERS:
        raise NotReplayable(f"inputs of kind {refusal.kind} cannot be replayed here; send it again as it was sent")


def _check_all_stores(caller: Caller) -> None:
    if caller.own_store_ids is not None:
        raise Forbidden("refusals are of all stores; use a key that is for all of them")
