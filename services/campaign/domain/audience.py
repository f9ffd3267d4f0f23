"""Who takes part in a campaign: the random hold-out, and who may be written to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from uuid import UUID

SEED_BYTES = 32
_HASH_BYTES = 8
_SPECIFIC_CHANNELS = ("email", "sms", "phone", "post", "push", "wechat")
# A file's lines are sent by somebody else, on a channel unknown here: whoever refused one is left out.
_CHANNELS_OF: Mapping[str, tuple[str, ...]] = {"file": _SPECIFIC_CHANNELS, "email": ("email",)}


class Arm(StrEnum):
    """What became of a customer of the audience. `suppressed` customers were taken out before the draw."""

    TREATED = "treated"
    HOLD_OUT = "hold_out"
    SUPPRESSED = "suppressed"


def draw(seed: bytes, customer_id: UUID, holdout_share: float) -> Arm:
    """Return the arm of a customer: random over seeds, always the same for one seed and customer.

    A keyed hash and not a sequence of random numbers: the order in which customers are drawn, and a repeat
    after a crash, make no difference. `seed` is the campaign's own, 32 random bytes.
    """
    place = int.from_bytes(blake2b(customer_id.bytes, key=seed, digest_size=_HASH_BYTES).digest(), "big")
    return Arm.HOLD_OUT if place < holdout_share * 2 ** (8 * _HASH_BYTES) else Arm.TREATED


@dataclass(frozen=True, slots=True)
class Consent:
    """The latest that one subject said about marketing on one channel (`any`: on all of them)."""

    channel: str
    state: str
    occurred_at: datetime
    event_id: UUID
    subject_id: UUID | None = None


def may_be_sent(consents: Iterable[Consent], channel: str) -> bool:
    """Tell whether a customer, with all their subjects' consents, may get marketing on a channel.

    Of each subject the latest word counts for each channel concerned, whether it spoke of that channel or of all.
    Subjects are linked by inference, so the strictest of them speaks for all: what one withdrew does not come back
    because another granted it. Nobody is written to after a withdrawal; silence is no withdrawal.
    """
    said = list(consents)
    return not any(_withdrawn(said, specific) for specific in _CHANNELS_OF[channel])


def _withdrawn(consents: Iterable[Consent], channel: str) -> bool:
    latest: dict[UUID | None, Consent] = {}
    for consent in sorted(consents, key=lambda said: (said.occurred_at, said.event_id)):
        if consent.channel in {channel, "any"}:
            latest[consent.subject_id] = consent
    return any(consent.state == "withdrawn" for consent in latest.values())
