"""The events that campaign says: what it knows, in the shapes of the catalogue.

Every id is made from what happened, so that saying something twice says it once.
"""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from services.campaign.domain.points import Kind, Posting
from services.campaign.store.points import posting_id
from shared.events import Envelope, EventData, Source, SubjectKind
from shared.events.campaign import (
    CouponIssuedV1,
    CouponRedeemedV1,
    MessageDecidedV1,
    MessageSentV1,
    PointsPostedV1,
)
from shared.identity import event_id_for
from shared.log import Outgoing

_SOURCE = Source(id="campaign", kind="service")
# The ids are not secret and nobody but this service makes them: no key is needed.
_NO_SECRET = b""


@dataclass(frozen=True, slots=True)
class About:
    """Whom an event is about and when it happened. `said_at` is when campaign learnt or decided it."""

    subject_id: UUID
    at: datetime
    said_at: datetime
    kind: SubjectKind = "identified"
    store_id: str | None = None


def message_decided(about: About, data: MessageDecidedV1) -> Outgoing:
    return _outgoing(f"message-decided/{data.message_id}", about, data)


def coupon_issued(about: About, data: CouponIssuedV1) -> Outgoing:
    return _outgoing(f"coupon-issued/{data.coupon_id}", about, data)


def message_sent(about: About, data: MessageSentV1) -> Outgoing:
    return _outgoing(f"message-sent/{data.message_id}/{data.state}", about, data)


def coupon_redeemed(about: About, data: CouponRedeemedV1) -> Outgoing:
    return _outgoing(f"coupon-redeemed/{data.redemption_id}/{data.coupon_id}/{data.n}", about, data)


def points_posted(
    about: About, posting: Posting, customer_id: UUID, receipt_id: UUID | None, expires_at: datetime | None
) -> Outgoing:
    data = PointsPostedV1(
        customer_id=customer_id,
        posting_id=posting_id(posting),
        points=posting.points,
        kind=_POINT_KINDS[posting.kind],
        receipt_id=receipt_id,
        expires_at=expires_at,
    )
    return _outgoing(f"points-posted/{data.posting_id}", about, data)


_POINT_KINDS = {kind: kind.value for kind in Kind}


def _outgoing(key: str, about: About, data: EventData) -> Outgoing:
    envelope: Envelope[EventData] = Envelope.of(
        data,
        event_id=event_id_for(f"campaign/{key}", int(about.at.timestamp() * 1000), _NO_SECRET),
        occurred_at=about.at,
        received_at=about.said_at,
        subject_id=about.subject_id,
        subject_kind=about.kind,
        source=_SOURCE,
        store_id=about.store_id,
    )
    return Outgoing.of(envelope)
