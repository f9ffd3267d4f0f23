"""Messages of analytics clients as drafts: whose they are, what they say, and how far they are believed."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import orjson

from services.ingest.domain.digests import content_digest, message_key
from services.ingest.domain.faults import Refused
from services.ingest.domain.identifiers import Identified, identify
from services.ingest.domain.privacy import is_personal, scrubbed
from services.ingest.domain.quality import REMOVED, TRAITS, Correction
from services.ingest.domain.sources import SourceKind
from services.ingest.domain.times import check_age, check_business_date
from services.ingest.domain.tokens import source_secret, vouches
from services.ingest.drafts import Context, Draft, Item
from services.ingest.mapping.behaviour import Channel, behaviour_of
from services.ingest.mapping.messages import Message, read_message
from services.ingest.mapping.names import marks_of
from services.ingest.mapping.orders import CANCELLED, COMPLETED, REFUNDED, Order
from services.ingest.mapping.products import standard_products, with_known_products
from services.ingest.mapping.reading import check_size
from services.ingest.mapping.reviews import review_of
from services.ingest.mapping.vetting import CLEAN, Vetted, vet
from shared.events import EventData, topic_of
from shared.events.base import Scalar
from shared.events.behaviour import CustomV1
from shared.events.customers import AttributesChangedV1
from shared.events.retention import body_age_max

BEHAVIOUR = topic_of(CustomV1).name
TRAITS_MAX = 100
TRAIT_CHARS_MAX = 1000
_SHORTEST_SECRET = 4
_CHANNELS: Mapping[SourceKind, Channel] = {SourceKind.WEB: "web", SourceKind.APP: "app"}


def draft_message(item: Item) -> Draft:
    """Understand one message. Raises Refused."""
    check_size(item)
    context = item.context
    message, standardised = _standard(read_message(item.fields, context))
    vetted = vet(message, context)
    people = _people(message, context)
    if not people.identifiers and message.user_id is None and message.anonymous_id is None:
        raise Refused("missing_identifier", "has neither userId nor anonymousId; send one of them", "/userId")
    if message.type == "track" and context.source.may_record_receipts and _is_order(message):
        draft = order_draft(item, message, people, contacts=_contacts(message, context), vetted=vetted)
        return replace(draft, corrections=(*draft.corrections, *standardised)) if standardised else draft
    if message.type not in {"identify", "alias"}:
        check_age(message.occurred_at, context.received_at, body_age_max(BEHAVIOUR), "/timestamp")
    says, corrections = _says(message, context)
    content = _content(people, (message.type.encode(), *(_canonical(data) for data in says)), context)
    corrections = (*corrections, *standardised)
    if context.codes:
        # After the digest: a repeat stays one when the catalogue has changed in between.
        known = [with_known_products(data, context.codes) for data in says]
        says = [data for data, _ in known]
        corrections = (*corrections, *(one for _, found in known for one in found))
    if vetted.is_bot:
        says = [_untyped(data, message) for data in says]
    known_people = replace(people, corrections=(*people.corrections, *corrections)) if corrections else people
    return _draft(item, message, known_people, says, content, vetted)


def _standard(message: Message) -> tuple[Message, tuple[Correction, ...]]:
    """Return a message with the product codes of its properties in their one form."""
    properties, corrections = standard_products(message.properties)
    return (replace(message, properties=properties), corrections) if corrections else (message, ())


def _draft(  # noqa: PLR0913, PLR0917 (what was found out about one message)
    item: Item, message: Message, people: Identified, says: Sequence[EventData], content: bytes, vetted: Vetted
) -> Draft:
    context = item.context
    said_at = message.said_at or message.occurred_at
    own_number = message.message_id or f"{said_at.isoformat()}/{content.hex()}"
    return Draft(
        place=item.place,
        context=item.context,
        kind=message.type,
        key=message_key(context.source.source_id, own_number),
        at_ms=message.at_ms,
        occurred_at=message.occurred_at,
        content=content,
        original=item.original,
        says=lambda _: says,
        key_field="/messageId",
        message_id=message.message_id,
        identifiers=people.identifiers,
        links=context.source.may_link or len(people.identifiers) > 1,
        link_cause=_cause(message, context),
        contacts=_contacts(message, context),
        marks=marks_of(message.traits, context) if message.type == "identify" else None,
        ignored=people.ignored,
        corrections=people.corrections,
        violations=vetted.violations,
        is_bot=vetted.is_bot,
    )


def order_draft(
    item: Item, message: Message, people: Identified, *, contacts: Mapping[str, str], vetted: Vetted = CLEAN
) -> Draft:
    """Draft a receipt: its key is the order's, so that whoever tells of an order again changes nothing."""
    context = item.context
    order = Order(message, context)
    check_business_date(message.occurred_at.date(), context.received_at, "/timestamp")
    number = message.message_id
    return Draft(
        place=item.place,
        context=item.context,
        kind="orders",
        key=order.key,
        at_ms=0,
        occurred_at=message.occurred_at,
        content=_content(people, (order.canonical(),), context),
        original=item.original,
        says=order.says,
        key_field="/properties/order_id",
        message_id=number,
        alias=None if number is None else message_key(context.source.source_id, number),
        identifiers=people.identifiers,
        links=context.source.may_link,
        store_id=order.store_id,
        refers_to=order.refers_to,
        is_order=True,
        contacts=contacts,
        marks=marks_of(message.traits, context),
        ignored=people.ignored,
        corrections=(*people.corrections, *order.corrections),
        violations=vetted.violations,
        is_bot=vetted.is_bot,
    )


def _is_order(message: Message) -> bool:
    return (message.name or "").casefold() in {COMPLETED, REFUNDED, CANCELLED}


def _people(message: Message, context: Context) -> Identified:
    """Return whose message it is. A public source speaks for its device, whatever else it says."""
    pairs: list[tuple[str, str, str]] = []
    if message.anonymous_id is not None:
        pairs.append(("anonymous_id", message.anonymous_id, "/anonymousId"))
    if context.source.may_link:
        pairs += _strong_pairs(message)
    elif message.user_id is not None and _is_vouched_for(message, context):
        pairs.append(("user_id", message.user_id, "/userId"))
    return identify(context.secrets.blind, pairs, context.region)


def _is_vouched_for(message: Message, context: Context) -> bool:
    """Whether the shop's server signed that this user is on this device."""
    token = message.context.get("identityToken")
    if not isinstance(token, str) or message.user_id is None or message.anonymous_id is None:
        return False
    secret = source_secret(context.secrets.tokens, context.source.source_id)
    return vouches(secret, token, message.user_id, message.anonymous_id, context.received_at)


def _cause(message: Message, context: Context) -> str:
    if not context.source.may_link:
        return "signed"
    return "alias" if message.type == "alias" else "seen_together"


def _strong_pairs(message: Message) -> list[tuple[str, str, str]]:
    pairs = []
    if message.user_id is not None:
        pairs.append(("user_id", message.user_id, "/userId"))
    if message.type == "alias" and message.previous_id is not None:
        pairs.append(("user_id", message.previous_id, "/previousId"))
    if message.type == "identify":
        for trait, namespace in (("email", "email"), ("phone", "phone")):
            value = message.traits.get(trait)
            if isinstance(value, str | int) and not isinstance(value, bool) and str(value).strip():
                pairs.append((namespace, str(value), f"/traits/{trait}"))
        card = message.traits.get("loyalty_card")
        if isinstance(card, str | int) and not isinstance(card, bool):
            pairs.append(("loyalty_card", str(card), "/traits/loyalty_card"))
    return pairs


def _says(message: Message, context: Context) -> tuple[list[EventData], tuple[Correction, ...]]:
    """Return what a message says, and what of it was left out."""
    if message.type == "identify":
        return [AttributesChangedV1(attributes=_attributes(message))], _cut(message)
    properties = dict(message.traits) if message.type == "group" else dict(message.properties)
    if message.type == "group" and message.group_id is not None:
        properties["group_id"] = message.group_id
    clean = scrubbed(properties, _own_identifiers(message))
    if context.source.may_link and (review := review_of(message, clean)) is not None:
        return [review], ()
    channel = _CHANNELS.get(context.source.kind, "unknown")
    place = "/traits" if message.type == "group" else "/properties"
    removed = () if clean == properties else (Correction(REMOVED.name, place),)
    return [behaviour_of(message, clean, context.currency, channel)], removed


def _cut(message: Message) -> tuple[Correction, ...]:
    """Say that an identify holds more than is kept as facts; contact data go into the vault and are none."""
    texts = (value for name, value in message.traits.items() if isinstance(value, str) and not is_personal(name))
    is_cut = len(message.traits) > TRAITS_MAX or any(len(text) > TRAIT_CHARS_MAX for text in texts)
    return (Correction(TRAITS.name, "/traits"),) if is_cut else ()


def _untyped(data: EventData, message: Message) -> EventData:
    """Keep what a crawler did under its name, where nobody takes it for what a shopper does."""
    if isinstance(data, AttributesChangedV1):
        return data
    properties = data.properties if isinstance(data, CustomV1) else data.model_dump(mode="json", exclude_none=True)
    return CustomV1(
        name=message.name or message.type, properties={**properties, "bot": True}, session_id=message.session_id
    )


def _own_identifiers(message: Message) -> list[str]:
    """Return the message's identifiers as they were sent, to be found again inside its properties."""
    traits = (message.traits.get(name) for name in ("email", "phone", "loyalty_card"))
    own = (message.user_id, message.anonymous_id, message.previous_id, *traits)
    return [str(one) for one in own if one is not None and len(str(one)) >= _SHORTEST_SECRET]


def _attributes(message: Message) -> dict[str, Scalar]:
    """Return the traits that are plain facts; contact data go into the vault instead."""
    clean = scrubbed(message.traits, _own_identifiers(message))
    facts = {
        name: value
        for name, value in clean.items()
        if 0 < len(name) <= 200 and (value is None or isinstance(value, str | bool | int | float))
    }
    return {
        name: value[:TRAIT_CHARS_MAX] if isinstance(value, str) else value
        for name, value in list(facts.items())[:TRAITS_MAX]
    }


def _contacts(message: Message, context: Context) -> dict[str, str]:
    """Return contact data for the vault; a public source's are claims, and stay in the original alone."""
    if message.type != "identify" or not context.source.may_link:
        return {}
    return {
        name[:40]: (value if isinstance(value, str) else orjson.dumps(value).decode())[:1000]
        for name, value in message.traits.items()
        if is_personal(name) and value not in (None, "", {}, [])
    }


def _canonical(data: EventData) -> bytes:
    return data.__pydantic_serializer__.to_json(data)


def _content(people: Identified, parts: Sequence[bytes], context: Context) -> bytes:
    blind = b"".join(one.blind_index for one in people.identifiers)
    return content_digest(context.secrets.contents, (blind, *parts))
