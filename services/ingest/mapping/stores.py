"""What stores count and show. Nothing that could tell one person or device from another gets in.

Sensors see devices and faces; what leaves them must be counts. So every field that is not a count's own is refused,
not ignored: one that is ignored today would be sent for ever. Intervals shorter than a minute, and names that are a
device's address, would make a count a trace.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from services.ingest.domain.digests import content_digest, message_key
from services.ingest.domain.faults import Refused
from services.ingest.domain.privacy import is_personal, scrubbed
from services.ingest.domain.times import check_age, check_moment
from services.ingest.drafts import Context, Draft, Item
from services.ingest.mapping.reading import check_size, pointer, read
from services.ingest.schemas.stores import ShownPriceIn, StoreCountIn
from shared.events import EventData, topic_of
from shared.events.retention import body_age_max
from shared.events.stores import PriceShownV1, StoreCountedV1
from shared.identity import thing_subject_id

COUNTS = "store_counts"
SHOWN_PRICES = "shown_prices"
TOPIC = topic_of(StoreCountedV1).name
INTERVAL_MIN = timedelta(minutes=1)
INTERVAL_MAX = timedelta(days=1)

_TRACES = re.compile(
    r"mac|bssid|imei|imsi|idfa|gaid|advertising|device|phone|face|embedding|descriptor|biometric|image|photo|video_?url|"
    r"frame|plate|gait|track_?id|person|visitor_?id|customer|user|card|email|gender|age|ethnic|emotion",
    re.IGNORECASE,
)
_ADDRESS = re.compile(r"(?:[0-9A-Fa-f]{2}[:\-.]?){5}[0-9A-Fa-f]{2}|(?:[0-9A-Fa-f]{4}\.){2}[0-9A-Fa-f]{4}")
_CURE = "sensors send counts per zone and interval, never devices, faces or persons; leave it out at the sensor"


def draft_count(item: Item) -> Draft:
    """Understand one interval's counts. Raises Refused."""
    check_size(item)
    _check_fields(item.fields, StoreCountIn, StoreCountedV1)
    about = read(StoreCountIn, item.fields)
    data = read(StoreCountedV1, item.fields)
    _check_interval(data)
    for measure in data.counts:
        if _TRACES.search(measure):
            raise Refused(
                "personal_data", f"names something of a person or device; {_CURE}", pointer(["counts", measure])
            )
    check_moment(data.ends_at, item.context.received_at, "/ends_at")
    check_age(data.ends_at, item.context.received_at, body_age_max(TOPIC), "/ends_at")
    own = (data.store_id, data.zone_id, data.sensor, data.sensor_id, data.starts_at, data.ends_at)
    return _draft(item, COUNTS, data, about.message_id, own)


def draft_shown_price(item: Item) -> Draft:
    """Understand one price on a tag. Raises Refused."""
    check_size(item)
    _check_fields(item.fields, ShownPriceIn, PriceShownV1)
    about = read(ShownPriceIn, item.fields)
    data = read(PriceShownV1, item.fields)
    check_moment(about.shown_at, item.context.received_at, "/shown_at")
    check_age(about.shown_at, item.context.received_at, body_age_max(TOPIC), "/shown_at")
    own = (data.store_id, data.zone_id, data.product_id, data.tag_id, about.shown_at)
    return _draft(item, SHOWN_PRICES, data, about.message_id, own)


def _draft(
    item: Item, kind: str, data: StoreCountedV1 | PriceShownV1, message_id: str | None, own: tuple[object, ...]
) -> Draft:
    context = item.context
    _check_store(data.store_id, context)
    occurred_at = data.ends_at if isinstance(data, StoreCountedV1) else read(ShownPriceIn, item.fields).shown_at
    said: EventData = data
    return Draft(
        place=item.place,
        context=context,
        kind=kind,
        key=message_key(context.source.source_id, message_id or f"{kind}/{own!r}"),
        at_ms=int(occurred_at.timestamp() * 1000),
        occurred_at=occurred_at,
        content=content_digest(context.secrets.contents, (kind.encode(), data.model_dump_json().encode())),
        original=item.original,
        says=lambda _: [said],
        message_id=message_id,
        subject_id=thing_subject_id("store", data.store_id),
        store_id=data.store_id,
    )


def _check_store(store_id: str, context: Context) -> None:
    if not context.source.speaks_for(store_id):
        raise Refused("store_not_allowed", "this key is not for that store; use the store's own", "/store_id")


def _check_interval(data: StoreCountedV1) -> None:
    length = data.ends_at - data.starts_at
    if length < INTERVAL_MIN:
        raise Refused(
            "invalid_field", "ends less than a minute after it starts; count over longer intervals", "/ends_at"
        )
    if length > INTERVAL_MAX:
        raise Refused("invalid_field", "is longer than a day; send an interval for each day", "/ends_at")


def _check_fields(item: Mapping[str, Any], *models: type[Any]) -> None:
    """Raise Refused for a field that no count has, and for a device's address in one that it has."""
    known = {name for model in models for name in model.model_fields}
    for name in item:
        if name in known:
            continue
        if _TRACES.search(name) or is_personal(name):
            raise Refused("personal_data", f"is of a person or device; {_CURE}", pointer([name]))
        raise Refused("invalid_field", "is no field of a count; see the event in docs/events.md", pointer([name]))
    for path, text in _texts(item):
        # A sensor's own address would do as its name, but nobody can tell it from a visitor's.
        if _ADDRESS.fullmatch(text.strip()) or scrubbed(text) != text:
            raise Refused("personal_data", f"looks like a device's address or contact data; {_CURE}", pointer(path))


def _texts(value: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:  # noqa: ANN401 (JSON)
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield (*path, name), name
            yield from _texts(inner, (*path, name))
