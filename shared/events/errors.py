"""The one error of reading an event."""

from typing import Literal

InvalidEventCode = Literal["not_json", "unknown_type", "unknown_version", "invalid_data"]


class InvalidEvent(ValueError):
    """These bytes are no event this code can read; reading them again will not help.

    `reason` is for people and never quotes a value, since values may be personal data;
    `field` is the path of the first wrong field (`data.lines.0.quantity`), empty where no field is meant.
    """

    def __init__(self, code: InvalidEventCode, reason: str, field: str = "") -> None:
        super().__init__(f"{field}: {reason}" if field else reason)
        self.code = code
        self.reason = reason
        self.field = field
