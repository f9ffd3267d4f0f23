"""Claiming: a receipt that named nobody becomes a customer's, with proof, and back again."""

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from services.ingest.domain.policy import GUEST
from services.ingest.errors import ClaimLocked, ClaimNotProved, DecisionNotFound
from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.store import archive, claims
from services.ingest.store import subjects as store
from services.ingest.store.identities import Decision
from services.ingest.store.subjects import NewSubject
from shared.db import Database, Transaction
from shared.events import Envelope
from shared.events.receipts import ReceiptRecordedV1
from shared.keys import Caller

TRIES_MAX = 5


@dataclass(frozen=True, slots=True)
class Proof:
    """What somebody says who has the receipt in hand."""

    total_minor: int
    business_date: date


@dataclass(frozen=True, slots=True)
class Claim:
    """A receipt, whose it is to be, and the proof."""

    receipt_id: UUID
    claimant: UUID
    proof: Proof


async def claim(database: Database, deciding: Deciding, asked: Claim, caller: Caller, now: datetime) -> Decision:
    """Give a guest's receipt to a customer.

    Raises ClaimNotProved (without saying whether the receipt or the proof is wrong), and ClaimLocked after
    `TRIES_MAX` wrong proofs for one receipt.
    """
    receipt = await _guest_receipt(database, asked.receipt_id, caller)
    async with database.transaction() as tx:
        is_proved = receipt is not None and await _prove(tx, receipt, asked.proof, now)
        if receipt is not None and is_proved:
            await store.add_subjects(tx, [_guest(receipt)])
            made = await deciding.say(
                tx,
                "claimed",
                [asked.claimant, receipt.subject_id],
                actor=caller.actor,
                reason="receipt claimed",
                about_event_id=receipt.event_id,
            )
    if receipt is None or not is_proved:
        raise ClaimNotProved("no guest's receipt with this key, total and day", field="/proof")
    return await deciding.executed(made)


async def _guest_receipt(database: Database, receipt_id: UUID, caller: Caller) -> Envelope[ReceiptRecordedV1] | None:
    envelope = (await archive.envelopes_of(database, [receipt_id])).get(receipt_id)
    if envelope is None or envelope.subject_kind != "guest" or not isinstance(envelope.data, ReceiptRecordedV1):
        return None
    if not caller.serves_store(envelope.data.store_id):
        return None
    return Envelope[ReceiptRecordedV1].model_construct(**dict(envelope))


async def _prove(tx: Transaction, receipt: Envelope[ReceiptRecordedV1], proof: Proof, now: datetime) -> bool:
    if await claims.failed_tries(tx, receipt.event_id) >= TRIES_MAX:
        raise ClaimLocked("too many claims with a wrong proof; a person must link it", field="/proof")
    data = receipt.data
    total_minor = data.returned_minor if data.kind == "return" else data.sold_minor
    is_right = (proof.total_minor, proof.business_date) == (total_minor, data.business_date)
    if not is_right:
        await claims.count_failure(tx, receipt.event_id, now)
    return is_right


def _guest(receipt: Envelope[ReceiptRecordedV1]) -> NewSubject:
    """Return the receipt's own subject as one that can be linked; it holds nothing of a person's."""
    at = receipt.occurred_at
    return NewSubject(receipt.subject_id, GUEST, receipt.event_id.bytes, 0, "receipt", at, at)


async def undo_claim(database: Database, deciding: Deciding, receipt_id: UUID, actor: str, reason: str) -> Decision:
    """Take a claim back: the receipt is a guest's again. Raises DecisionNotFound."""
    subject_id = await claims.claimed_subject(database, receipt_id)
    if subject_id is None:
        raise DecisionNotFound("this receipt was not claimed", field="message_id")
    return await deciding.decide("claim_undone", [subject_id], actor=actor, reason=reason, about_event_id=receipt_id)
