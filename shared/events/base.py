"""What every event's data has in common: the base class and the field types with their limits."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, ClassVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, StrictBool

# PostgreSQL stores neither text nor jsonb with U+0000, so one such character would poison every consumer.
_NO_NUL = r"^[^\x00]*$"
_CLASS_NAME = re.compile(r"(?P<type>[A-Z][A-Za-z]+)V(?P<version>[1-9][0-9]*)")
_PROPERTY_DEPTH_MAX = 6


def _as_utc(moment: datetime) -> datetime:
    try:
        return moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except OverflowError:
        raise ValueError("lies outside of what a clock shows") from None


UtcDatetime = Annotated[AwareDatetime, AfterValidator(_as_utc)]

Identifier = Annotated[str, Field(min_length=1, max_length=128, pattern=_NO_NUL)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=_NO_NUL)]
Sentence = Annotated[str, Field(min_length=1, max_length=1000, pattern=_NO_NUL)]
Prose = Annotated[str, Field(max_length=10_000, pattern=_NO_NUL)]
Code = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.:\-]+$")]

Currency = Annotated[str, Field(pattern=r"^[A-Z]{3}$", description="ISO 4217 code, such as CNY.")]
MinorUnits = Annotated[int, Field(strict=True, ge=0, le=10**15)]
Count = Annotated[int, Field(strict=True, ge=0, le=2_147_483_647)]
Ordinal = Annotated[int, Field(strict=True, ge=1, le=2_147_483_647)]
Probability = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
Number = Annotated[float, Field(allow_inf_nan=False)]
Flag = StrictBool

Quantity = Annotated[str, Field(pattern=r"^[0-9]{1,12}(\.[0-9]{1,6})?$")]
SignedQuantity = Annotated[str, Field(pattern=r"^-?[0-9]{1,12}(\.[0-9]{1,6})?$")]

Scalar = Annotated[str, Field(max_length=1000, pattern=_NO_NUL)] | StrictBool | int | Number | None
Attributes = Annotated[dict[Name, Scalar], Field(max_length=100)]


def _check_properties(value: JsonValue, depth: int = 0) -> JsonValue:
    if depth > _PROPERTY_DEPTH_MAX:
        raise ValueError(f"nested deeper than {_PROPERTY_DEPTH_MAX} levels")
    if isinstance(value, str) and "\x00" in value:
        raise ValueError("holds the character U+0000")
    if isinstance(value, dict):
        for name, inner in value.items():
            _check_properties(name, depth)
            _check_properties(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check_properties(inner, depth + 1)
    return value


Properties = Annotated[dict[str, JsonValue], Field(max_length=200), AfterValidator(_check_properties)]


class Part(BaseModel):
    """A frozen piece of an event; building one with a field that does not exist is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventData(Part):
    """What happened. One subclass per type and version, named `<Type>V<version>`.

    `event_type` and `event_version` come from the class's name, so the two never disagree.
    """

    event_type: ClassVar[str] = ""
    event_version: ClassVar[int] = 0
    is_superseded: ClassVar[bool] = False
    """True on a version that `upcast` turns into a newer one."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        match = _CLASS_NAME.fullmatch(cls.__name__)
        if match is None:
            raise TypeError(f"{cls.__name__} must be named <Type>V<version>")
        cls.event_type = match["type"]
        cls.event_version = int(match["version"])

    def upcast(self) -> "EventData":
        """Return the same fact in the next version of its type; the newest version returns itself."""
        return self

    @property
    def thing_key(self) -> str | None:
        """The key of an event about a thing (a product or store); None where the subject is the key."""
        return None


def quantity_of(text: str) -> Decimal:
    """Return a `Quantity` as a number."""
    return Decimal(text)
