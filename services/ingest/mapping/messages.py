"""One message of an analytics client, with its odd habits undone: null ids, numbers as ids, times in three places."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from services.ingest.domain.faults import Refused
from services.ingest.domain.times import EARLIEST_YEAR, check_moment, corrected
from services.ingest.drafts import Context
from services.ingest.mapping.reading import MESSAGE_ID_CHARS_MAX
from shared.records import record

TYPES = frozenset({"track", "identify", "page", "screen", "group", "alias"})
NAME_CHARS_MAX = 200


@record
class Message:
    """A client's message, read."""

    type: str
    message_id: str | None
    user_id: str | None
    anonymous_id: str | None
    name: str | None
    properties: Mapping[str, Any]
    traits: Mapping[str, Any]
    context: Mapping[str, Any]
    said_at: datetime | None
    occurred_at: datetime
    previous_id: str | None = None
    group_id: str | None = None

    @property
    def at_ms(self) -> int:
        """The client's raw time, for the event's id; 0 where it gave none."""
        return 0 if self.said_at is None else int(self.said_at.timestamp() * 1000)

    @property
    def session_id(self) -> str | None:
        found = self.properties.get("session_id") or self.context.get("sessionId")
        return text_of(found)[:128] if isinstance(found, str | int) and text_of(found) else None


def read_message(item: Mapping[str, Any], context: Context) -> Message:
    """Read one message. Raises Refused naming the wrong field."""
    kind = item.get("type")
    if not isinstance(kind, str) or kind not in TYPES:
        known = ", ".join(sorted(TYPES))
        raise Refused("unknown_type", f"is no type of message; there are {known}", "/type")
    client = mapping_at(item, "context")
    said_at = _said_at(item)
    occurred_at = _occurred_at(item, said_at, context)
    traits = mapping_at(item, "traits") or mapping_at(client, "traits", "/context")
    return Message(
        type=kind,
        message_id=_message_id(item),
        user_id=id_at(item, "userId"),
        anonymous_id=id_at(item, "anonymousId"),
        name=_name(item, kind),
        properties=mapping_at(item, "properties"),
        traits=traits,
        context=client,
        said_at=said_at,
        occurred_at=occurred_at,
        previous_id=id_at(item, "previousId"),
        group_id=id_at(item, "groupId"),
    )


def mapping_at(item: Mapping[str, Any], name: str, prefix: str = "") -> Mapping[str, Any]:
    found = item.get(name)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise Refused("invalid_field", "is not a JSON object", f"{prefix}/{name}")
    return found


def id_at(item: Mapping[str, Any], name: str) -> str | None:
    """Return an id; clients send numbers, and null or blanks for none."""
    found = item.get(name)
    if found is None or found == "":
        return None
    if isinstance(found, bool) or not isinstance(found, str | int | float):
        raise Refused("invalid_field", "is neither text nor a number", f"/{name}")
    return text_of(found) or None


def text_of(value: object) -> str:
    return str(value).strip()


def message_id_of(item: Mapping[str, Any]) -> str | None:
    """Return a message's own number if it can be read at all."""
    found = item.get("messageId")
    return found if isinstance(found, str) and 0 < len(found) <= MESSAGE_ID_CHARS_MAX else None


def _message_id(item: Mapping[str, Any]) -> str | None:
    found = item.get("messageId")
    if found is None or found == "":
        return None
    message_id = message_id_of(item)
    if message_id is None:
        limit = f"is not text of at most {MESSAGE_ID_CHARS_MAX} characters"
        raise Refused("invalid_field", limit, "/messageId")
    return message_id


def _name(item: Mapping[str, Any], kind: str) -> str | None:
    field = "event" if kind == "track" else "name"
    found = item.get(field)
    if found is None and kind != "track":
        return None
    if not isinstance(found, str) or not found.strip():
        if kind == "track":
            raise Refused("missing_field", "a track message names its event", "/event")
        raise Refused("invalid_field", "is not text", f"/{field}")
    if len(found) > NAME_CHARS_MAX:
        raise Refused("invalid_field", f"is longer than {NAME_CHARS_MAX} characters", f"/{field}")
    return found.strip()


def _said_at(item: Mapping[str, Any]) -> datetime | None:
    for name in ("originalTimestamp", "timestamp"):
        found = item.get(name)
        if found is not None and found != "":
            return _moment(found, f"/{name}")
    return None


def _occurred_at(item: Mapping[str, Any], said_at: datetime | None, context: Context) -> datetime:
    if said_at is None:
        return context.received_at
    sent = item.get("sentAt")
    sent_at = _moment(sent, "/sentAt") if sent else None
    field = "/originalTimestamp" if item.get("originalTimestamp") else "/timestamp"
    try:
        occurred_at = corrected(said_at, sent_at, context.received_at)
    except OverflowError:
        raise Refused("time_out_of_range", "lies outside of what a clock shows", field) from None
    check_moment(occurred_at, context.received_at, field)
    return occurred_at


def _moment(value: object, field: str) -> datetime:
    """Read ISO 8601; a time without zone is taken as UTC, as these clients mean it."""
    if not isinstance(value, str):
        raise Refused("invalid_field", "is not a time in ISO 8601", field)
    try:
        moment = datetime.fromisoformat(value.strip())
        moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        raise Refused("invalid_field", "is not a time in ISO 8601, such as 2026-03-01T09:30:00Z", field) from None
    if moment.year < EARLIEST_YEAR:
        raise Refused("time_out_of_range", f"is before {EARLIEST_YEAR}; check the sender's clock", field)
    return moment
