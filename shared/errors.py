"""The errors that every service speaks; each edge (HTTP, worker loop) maps them in one table.

```
Exception
├── DomainError                 the answer to a request is "no", and why; carries no HTTP
│   ├── Malformed               cannot be read at all
│   ├── InvalidInput            read, but a field is wrong
│   ├── Unauthorized            who is asking is unknown
│   ├── Forbidden               known, but may not
│   ├── NotFound
│   ├── Conflict                contradicts what is stored
│   ├── TooMany                 slow down, then ask again
│   └── Unavailable             not now, ask again
└── TransientError              infrastructure is away: the same work succeeds later, nothing was decided
```

A service subclasses these with a stable `code` of its own:
`class CustomerNotFound(NotFound): code = "customer_not_found"`.
"""

from collections.abc import Mapping, Sequence
from typing import ClassVar


class DomainError(Exception):
    """A refusal the caller can understand; `message` is shown to them: no personal data, no internals.

    `field` names the one field at fault (a JSON pointer into the body, or a parameter's name). `errors`
    holds one mapping per fault, each with at least `code` and `message`, and `field` where there is one.
    """

    code: ClassVar[str] = "refused"

    def __init__(
        self,
        message: str,
        *,
        field: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(message)
        self.message = message
        self.field = field
        self.errors = tuple(errors)


class Malformed(DomainError):
    code = "malformed_request"


class InvalidInput(DomainError):
    code = "invalid_input"


class Unauthorized(DomainError):
    code = "unauthorized"


class Forbidden(DomainError):
    code = "forbidden"


class NotFound(DomainError):
    code = "not_found"


class Conflict(DomainError):
    code = "conflict"


class RetryLater(DomainError):
    """Base of the refusals that carry the whole seconds to wait."""

    def __init__(
        self,
        message: str,
        *,
        retry_after_seconds: int = 1,
        field: str | None = None,
        errors: Sequence[Mapping[str, object]] = (),
    ) -> None:
        super().__init__(message, field=field, errors=errors)
        self.retry_after_seconds = retry_after_seconds


class TooMany(RetryLater):
    code = "too_many_requests"


class Unavailable(RetryLater):
    code = "unavailable"


class TransientError(Exception):
    """The database, the broker or another service is away: retry with back-off, never skip."""


def field_error(field: str, message: str, code: str = "invalid") -> dict[str, object]:
    """Return one item of `errors` in the shape that every answer uses."""
    return {"field": field, "code": code, "message": message}
