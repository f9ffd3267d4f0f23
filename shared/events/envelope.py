"""The envelope around every event, and its bytes."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, Generic, Literal, Self, TypeVar, cast
from uuid import UUID

from pydantic import Field, SerializeAsAny, ValidationError, model_validator
from pydantic_core import from_json

from shared.events.base import Code, EventData, Identifier, Part, UtcDatetime
from shared.events.catalogue import event_class, versions_of
from shared.events.errors import InvalidEvent

SubjectKind = Literal["identified", "device", "guest", "none"]
SourceKind = Literal["pos", "server", "web", "app", "file", "third_party", "service"]

D_co = TypeVar("D_co", bound=EventData, covariant=True)

# What `encode` writes first. Anything else (another producer's field order) is parsed in full.
_HEAD = re.compile(rb'\{"event_id":"[^"\\]*","type":"([A-Za-z]+)","version":([0-9]{1,6}),')
_VERSION_MAX = 999_999


class Source(Part):
    """Who told us."""

    id: Identifier = Field(description="The source's id, as registered with ingest, or a service's name.")
    kind: SourceKind = Field(description="What the source is, which decides what it may say.")


class Envelope(Part, Generic[D_co]):
    """An event: what happened (`data`), to whom, when, and who said so.

    Build one with `Envelope.of`; consumers receive `Envelope[ReceiptRecordedV1]` and its like from `decode`.
    """

    event_id: UUID = Field(description="UUIDv8 made from the de-duplication key; a repeat has the same one.")
    type: Code = Field(description="The event's type, such as ReceiptRecorded.")
    version: int = Field(ge=1, le=_VERSION_MAX, strict=True, description="Version of the type's data.")
    occurred_at: UtcDatetime = Field(description="When it happened, UTC, corrected for the device's clock.")
    received_at: UtcDatetime = Field(description="When it reached its producer, UTC.")
    subject_id: UUID = Field(description="Whom it is about: a subject, or for things an id of the thing.")
    subject_kind: SubjectKind = Field(
        description="identified: by a card, phone, e-mail or user id; device: by an anonymous id; "
        "guest: nobody known, the subject is the event's own; none: about a thing (product, store, staff)."
    )
    source: Source
    store_id: Identifier | None = Field(default=None, description="The store where it happened, if any.")
    data: SerializeAsAny[D_co] = Field(description="The typed data of this type and version.")

    @model_validator(mode="after")
    def _names_its_data(self) -> Self:
        if self.type != self.data.event_type or self.version != self.data.event_version:
            raise ValueError("type and version do not name the class of data")
        return self

    @classmethod
    def of(  # noqa: PLR0913 - one argument per field of the envelope
        cls,
        data: EventData,
        *,
        event_id: UUID,
        occurred_at: datetime,
        received_at: datetime,
        subject_id: UUID,
        subject_kind: SubjectKind,
        source: Source,
        store_id: str | None = None,
    ) -> Self:
        """Wrap `data`; type and version are its class's.

        Raises:
            pydantic.ValidationError: a time without zone, or another field out of its limits.
        """
        return cls(
            event_id=event_id,
            type=data.event_type,
            version=data.event_version,
            occurred_at=occurred_at,
            received_at=received_at,
            subject_id=subject_id,
            subject_kind=subject_kind,
            source=source,
            store_id=store_id,
            data=cast("D_co", data),
        )

    @property
    def key(self) -> str:
        """The partitioning key: the subject, or the product or store of a catalogue event."""
        return self.data.thing_key or str(self.subject_id)


def encode(envelope: Envelope[EventData]) -> bytes:
    """Write the envelope as UTF-8 JSON, fields in their declared order."""
    return envelope.__pydantic_serializer__.to_json(envelope)


def decode(raw: bytes, *, upcast: bool = True) -> Envelope[EventData]:
    """Read an envelope, ignoring fields this code does not know.

    Data of an older version comes back as the newest one unless `upcast` is False.

    Raises:
        InvalidEvent: not JSON, a type or version the catalogue does not have, or wrong data.
    """
    event_type, version = _type_and_version(raw)
    codec = _codec(event_type, version)
    try:
        envelope = codec.read(raw)
    except ValidationError as error:
        # Without its cause: pydantic's message quotes values, and a traceback would carry them into the logs.
        raise _invalid(error) from None
    return _upcast(envelope) if upcast and codec.is_superseded else envelope


@dataclass(frozen=True, slots=True)
class _Codec:
    read: Callable[[bytes], Envelope[EventData]]
    is_superseded: bool


@cache
def _codec_of(data_class: type[EventData]) -> _Codec:
    validator = _parametrised(data_class).__pydantic_validator__

    def read(raw: bytes) -> Envelope[EventData]:
        # Producers are strict, readers are not: the classes forbid extras, reading ignores them at any depth.
        return cast("Envelope[EventData]", validator.validate_json(raw, extra="ignore"))

    return _Codec(read, data_class.is_superseded)


def _codec(event_type: str, version: int) -> _Codec:
    data_class = event_class(event_type, version)
    if data_class is not None:
        return _codec_of(data_class)
    known = versions_of(event_type)
    if not known:
        raise InvalidEvent("unknown_type", "no event type of this name", "type")
    wanted = ", ".join(map(str, known))
    raise InvalidEvent("unknown_version", f"{event_type} has no version {version}, only {wanted}", "version")


@cache
def _parametrised(data_class: type[EventData]) -> type[Envelope[EventData]]:
    return Envelope[data_class]  # type: ignore[valid-type]


def _type_and_version(raw: bytes) -> tuple[str, int]:
    head = _HEAD.match(raw)
    if head is not None:
        return head[1].decode(), int(head[2])
    try:
        parsed: Any = from_json(raw)
    except ValueError as error:
        raise InvalidEvent("not_json", "not valid UTF-8 JSON") from error
    if not isinstance(parsed, dict):
        raise InvalidEvent("not_json", "not a JSON object")
    event_type, version = parsed.get("type"), parsed.get("version")
    if not isinstance(event_type, str):
        raise InvalidEvent("unknown_type", "missing or not text", "type")
    if not isinstance(version, int) or isinstance(version, bool):
        raise InvalidEvent("unknown_version", "missing or not a whole number", "version")
    return event_type, version


def _upcast(envelope: Envelope[EventData]) -> Envelope[EventData]:
    data = envelope.data
    while data.is_superseded:
        data = data.upcast()
    fields = {name: getattr(envelope, name) for name in Envelope.model_fields}
    fields |= {"type": data.event_type, "version": data.event_version, "data": data}
    return _parametrised(type(data)).model_construct(**fields)


def _invalid(error: ValidationError) -> InvalidEvent:
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    if first["type"] == "json_invalid":
        return InvalidEvent("not_json", "not valid UTF-8 JSON")
    return InvalidEvent("invalid_data", first["msg"], ".".join(map(str, first["loc"])))
