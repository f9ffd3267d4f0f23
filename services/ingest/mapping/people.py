"""Customers, consents and feedback."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from services.ingest.domain.digests import content_digest, message_key
from services.ingest.domain.faults import Refused
from services.ingest.domain.privacy import is_personal, scrubbed
from services.ingest.domain.times import check_moment
from services.ingest.drafts import Context, Draft, Item
from services.ingest.mapping.contents import said_by
from services.ingest.mapping.feedback import feedback_of
from services.ingest.mapping.names import marks_of
from services.ingest.mapping.reading import check_size, identified, read
from services.ingest.schemas.people import ConsentIn, CustomerIn, FeedbackIn, PersonalConsentIn, PersonIn
from shared.events import EventData
from shared.events.customers import AttributesChangedV1, ConsentChangedV1


def draft_customer(item: Item) -> Draft:
    """Understand one customer. Raises Refused."""
    check_size(item)
    customer = read(CustomerIn, item.fields)
    _check_attributes(customer)
    says: list[EventData] = [AttributesChangedV1(attributes=customer.attributes)]
    says += [_consent(one) for one in customer.consents]
    return _draft(item, "customers", customer, says, customer.contact)


def draft_consent(item: Item) -> Draft:
    """Understand one permission. Raises Refused."""
    check_size(item)
    consent = read(PersonalConsentIn, item.fields)
    return _draft(item, "consents", consent, [_consent(consent)])


def draft_feedback(item: Item) -> Draft:
    """Understand one piece of feedback. Raises Refused."""
    check_size(item)
    feedback = read(FeedbackIn, item.fields)
    data, corrections = feedback_of(feedback, item.context)
    draft = _draft(item, "feedback", feedback, [data])
    return replace(draft, corrections=(*draft.corrections, *corrections))


def _consent(consent: ConsentIn) -> ConsentChangedV1:
    return ConsentChangedV1(
        channel=consent.channel,
        purpose=consent.purpose,
        state=consent.state,
        policy_version=consent.policy_version,
        evidence=consent.evidence,
    )


def _check_attributes(customer: CustomerIn) -> None:
    """Raise Refused where contact data would end up in an event, readable by every service."""
    for name, value in customer.attributes.items():
        if is_personal(name) or scrubbed(value) != value:
            raise Refused(
                "personal_data",
                "looks like contact data; send it under identifiers or contact, where it is sealed",
                "/attributes",
            )


def _draft(
    item: Item,
    kind: str,
    person: PersonIn | FeedbackIn,
    says: Sequence[EventData],
    contacts: Mapping[str, str] | None = None,
) -> Draft:
    context = item.context
    occurred_at = person.occurred_at or context.received_at
    check_moment(occurred_at, context.received_at, "/occurred_at")
    people = identified(person.identifiers, context)
    if isinstance(person, PersonIn) and not people.identifiers:
        raise Refused("missing_identifier", "none of them names a person; send a card, phone, …", "/identifiers")
    content = content_digest(
        context.secrets.contents,
        (
            kind.encode(),
            b"".join(one.blind_index for one in people.identifiers),
            *(said_by(data) for data in says),
            *(f"{name}={value}".encode() for name, value in sorted((contacts or {}).items())),
        ),
    )
    return Draft(
        place=item.place,
        context=item.context,
        kind=kind,
        key=key_of(person.message_id, person.occurred_at, content, context),
        at_ms=at_ms_of(person.occurred_at),
        occurred_at=occurred_at,
        content=content,
        original=item.original,
        says=lambda _: says,
        message_id=person.message_id,
        identifiers=people.identifiers,
        links=context.source.may_link,
        store_id=person.store_id if isinstance(person, FeedbackIn) else None,
        contacts=contacts or {},
        marks=marks_of(contacts or {}, context),
        ignored=people.ignored,
        corrections=people.corrections,
    )


def key_of(message_id: str | None, said_at: datetime | None, content: bytes, context: Context) -> str:
    """Return the key of a message: its own number; else what it says as of when.

    A message that has neither number nor time cannot be told from the same news of another day, so it is new
    every time.
    """
    source_id = context.source.source_id
    if message_id is not None:
        return message_key(source_id, message_id)
    moment = said_at or context.received_at
    return message_key(source_id, f"{moment.astimezone(UTC).isoformat()}/{content.hex()}")


def at_ms_of(said_at: datetime | None) -> int:
    """Return the client's raw time for the event's id; 0 where it gave none, so that a repeat has the same."""
    return 0 if said_at is None else int(said_at.timestamp() * 1000)
