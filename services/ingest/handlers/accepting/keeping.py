"""Sealing what is kept of an input: the original, contact data, and what was refused."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TypedDict
from uuid import UUID

from services.ingest.domain.digests import content_digest, key_digest, message_key
from services.ingest.domain.privacy import without_card_numbers
from services.ingest.domain.sealing import UnsealingError, guest_key_id, pack, seal, unpack, unseal
from services.ingest.drafts import Context, Rejected, Secrets
from services.ingest.handlers.accepting.settling import Ready
from services.ingest.store.kept import Refusal, SealedEntry, SealedOriginal
from services.ingest.vault import Vault
from shared.identity import event_id_for

CONFLICT_MESSAGE = (
    "the same key came with other content before; the first one stands, this one is kept under /v1/refusals"
)
# No name that a sender can choose.
IDENTIFIER_FIELD = "@identifier"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Seals under keys that were fetched, or made, before the transaction."""

    keys: Mapping[UUID, bytes]
    secrets: Secrets

    @classmethod
    async def open(
        cls, vault: Vault, secrets: Secrets, owners: Iterable[UUID], contexts: Iterable[Context]
    ) -> "Sealer":
        """Fetch the keys of these owners, and of the months in which inputs were received: refused ones use those."""
        moments = {context.received_at for context in contexts}
        keys = await vault.keys_for({*owners, *map(_month_key, moments)})
        return cls(keys, secrets)

    def holds(self, owners: Iterable[UUID]) -> bool:
        """Say whether the keys of all these are here."""
        return self.keys.keys() >= set(owners)

    def original(self, one: Ready) -> SealedOriginal:
        key_id = one.seals_under
        sealed = seal(self.keys[key_id], pack(one.draft.original), original_place(one.event_id))
        return SealedOriginal(one.event_id, key_id, sealed)

    def entries(self, accepted: Iterable[Ready], new: set[UUID]) -> list[SealedEntry]:
        """Seal each new identifier under its own subject's key, and contact data under the strongest one's."""
        entries = []
        for one in accepted:
            for identifier, subject in zip(one.draft.identifiers, one.subjects, strict=True):
                if subject.subject_id in new:
                    entries.append(self._entry(subject.subject_id, IDENTIFIER_FIELD, identifier.value))
            if one.draft.contacts and one.subjects:
                owner = one.subjects[0].subject_id
                entries += [self._entry(owner, field, value) for field, value in one.draft.contacts.items()]
        return entries

    def _entry(self, subject_id: UUID, field: str, value: str) -> SealedEntry:
        sealed = seal(self.keys[subject_id], value.encode(), entry_place(subject_id, field))
        return SealedEntry(subject_id, field, sealed)

    def refusal(self, one: Rejected) -> Refusal:
        """Seal a refused input. A payment card's number is taken out first: it is kept nowhere.

        Another fault may have been found before that one.
        """
        original = one.original
        if one.fault.code == "card_number" or b'"card_token"' in original:
            original = without_card_numbers(original.decode("utf-8", "replace")).encode()
        refusal_id = self._refusal_id(one.context, b"refused", one.fault.code.encode(), original)
        key_id = _month_key(one.context.received_at)
        return Refusal(
            refusal_id=refusal_id,
            outcome="refused",
            kind=one.kind,
            source_id=one.context.source.source_id,
            lookup_digest=None if one.message_id is None else lookup_digest(self.secrets, one.message_id),
            code=one.fault.code,
            message=one.fault.message,
            field=one.fault.field,
            event_id=None,
            key_id=key_id,
            sealed=self._sealed(key_id, refusal_id, original),
            received_at=one.context.received_at,
            **_speaker(one.context),
        )

    def conflict(self, one: Ready, event_id: UUID) -> Refusal:
        """Seal an input whose key was used with other content before: under its person's key, to go with it."""
        context = one.draft.context
        refusal_id = self._refusal_id(context, b"conflict", one.key_digest, one.draft.content)
        key_id = one.seals_under
        original = b"{}" if one.draft.is_of_erased else one.draft.original
        return Refusal(
            refusal_id=refusal_id,
            outcome="conflict",
            kind=one.draft.kind,
            source_id=context.source.source_id,
            lookup_digest=lookup_digest(self.secrets, one.message_id),
            code="key_reused",
            message=CONFLICT_MESSAGE,
            field=one.draft.key_field,
            event_id=event_id,
            key_id=key_id,
            sealed=self._sealed(key_id, refusal_id, original),
            received_at=context.received_at,
            **_speaker(context),
        )

    def _refusal_id(self, context: Context, *parts: bytes) -> UUID:
        """Return an id that the same input has every time, so that a client's retries are one row."""
        digest = content_digest(self.secrets.contents, (context.source.source_id.encode(), *parts))
        return event_id_for(digest.hex(), 0, self.secrets.event_ids)

    def _sealed(self, key_id: UUID, refusal_id: UUID, original: bytes) -> bytes:
        return seal(self.keys[key_id], pack(original), refusal_place(refusal_id))


class _Speaker(TypedDict):
    source_kind: str
    store_ids: list[str] | None


def _speaker(context: Context) -> _Speaker:
    """Return what its source may say: a replay may say no more."""
    source = context.source
    return _Speaker(
        source_kind=source.kind.value, store_ids=None if source.store_ids is None else sorted(source.store_ids)
    )


def _month_key(moment: datetime) -> UUID:
    """Return whose key seals what belongs to nobody: the month's."""
    return guest_key_id(f"{moment.astimezone(UTC):%Y-%m}")


def lookup_digest(secrets: Secrets, message_id: str) -> bytes:
    """Return the digest by which a refused message is found; its number itself is kept sealed."""
    return key_digest(secrets.keys, message_key("refused", message_id))


def open_refusal(key: bytes, refusal: Refusal) -> bytes:
    """Return a refused input as it came. Raises UnsealingError."""
    return unpack(unseal(key, refusal.sealed, refusal_place(refusal.refusal_id)))


def opened(keys: Mapping[UUID, bytes], key_id: UUID, sealed: bytes, place: str) -> bytes | None:
    """Open what was sealed under a key; None where that was forgotten: it is gone, or was lost and made anew."""
    try:
        return unpack(unseal(keys[key_id], sealed, place))
    except (KeyError, UnsealingError):
        return None


def opened_entry(keys: Mapping[UUID, bytes], entry: SealedEntry) -> str | None:
    """Open a field of contact data; None where it was forgotten."""
    try:
        place = entry_place(entry.subject_id, entry.field)
        return unseal(keys[entry.subject_id], entry.sealed, place).decode()
    except (KeyError, UnsealingError):
        return None


def original_place(event_id: UUID) -> str:
    return f"originals/{event_id}/sealed"


def entry_place(subject_id: UUID, field: str) -> str:
    return f"vault_entries/{subject_id}/{field}"


def refusal_place(refusal_id: UUID) -> str:
    return f"refusals/{refusal_id}/sealed"
