"""What subjects said about personalisation, where a service keeps nothing else of consents: withdrawals object to it.

The service declares a table `consents` (subject_id, channel, is_withdrawn, occurred_at, event_id).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from shared.db import Transaction
from shared.events import Envelope
from shared.events.customers import ConsentChangedV1

PERSONALISATION = "personalisation"


@dataclass(frozen=True, slots=True)
class PersonalisationConsent:
    """What a subject said about personalisation on a channel."""

    subject_id: UUID
    channel: str
    is_withdrawn: bool
    occurred_at: datetime
    event_id: UUID


def personalisation_consents(events: Iterable[Envelope[ConsentChangedV1]]) -> list[PersonalisationConsent]:
    """Return what these events say about personalisation; other purposes are left out."""
    return [
        PersonalisationConsent(
            event.subject_id,
            event.data.channel,
            event.data.state == "withdrawn",
            event.occurred_at,
            event.event_id,
        )
        for event in events
        if event.data.purpose == PERSONALISATION
    ]


async def keep_consents(tx: Transaction, consents: Sequence[PersonalisationConsent]) -> None:
    """Keep the latest (occurred_at, event_id) of every subject and channel."""
    newest = {
        (one.subject_id, one.channel): one
        for one in sorted(consents, key=lambda one: (one.occurred_at, one.event_id.int))
    }
    ordered = [newest[key] for key in sorted(newest, key=lambda key: (key[0].int, key[1]))]
    await tx.execute(
        "INSERT INTO consents AS c (subject_id, channel, is_withdrawn, occurred_at, event_id)"
        " SELECT * FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::timestamptz[], $5::uuid[])"
        " ON CONFLICT (subject_id, channel) DO UPDATE SET is_withdrawn = excluded.is_withdrawn,"
        " occurred_at = excluded.occurred_at, event_id = excluded.event_id"
        " WHERE (c.occurred_at, c.event_id) < (excluded.occurred_at, excluded.event_id)",
        [one.subject_id for one in ordered],
        [one.channel for one in ordered],
        [one.is_withdrawn for one in ordered],
        [one.occurred_at for one in ordered],
        [one.event_id for one in ordered],
    )
