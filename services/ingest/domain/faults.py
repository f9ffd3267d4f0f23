"""Why an input is not accepted, in words for people and a code for programs."""

from dataclasses import dataclass

from services.ingest.domain.plans import Violation


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong with an input. `message` names the cure and never quotes the value."""

    code: str
    message: str
    field: str | None = None
    """JSON pointer into the item, such as /lines/0/quantity."""


class Refused(Exception):
    """This input cannot be accepted as it is."""

    is_dropped = False

    def __init__(
        self, code: str, message: str, field: str | None = None, violations: tuple[Violation, ...] = ()
    ) -> None:
        super().__init__(message)
        self.fault = Fault(code, message, field)
        self.violations = violations


class Dropped(Refused):
    """This input is not taken since its source asked for that: it is counted and kept nowhere."""

    is_dropped = True
