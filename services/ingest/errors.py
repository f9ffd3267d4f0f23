"""What ingest answers when it says no to a whole request; single items are refused by `domain.faults`.

```
DomainError
├── MalformedBody        400  not JSON, not inflatable, not the documented outer shape (client-compatible routes)
├── UnreadableItems      422  the outer shape of a native body
├── UnknownWriteKey      401
├── SourceDisabled       403
├── EventNotFound        404
├── SourceNotFound       404
├── TerminalNotFound     404
├── StoreNotAllowed      403
├── PlanNotFound         404
├── RefusalNotFound      404
├── SourceExists         409
├── AlreadyResolved      409
├── NotReplayable        409
├── BadIdentifier        422
├── BadMoment            422
├── BadPlan              422
└── RateLimited          429
```
"""

from shared.errors import Conflict, Forbidden, InvalidInput, Malformed, NotFound, TooMany, Unauthorized


class MalformedBody(Malformed):
    code = "malformed_json"


class UnreadableItems(InvalidInput):
    code = "invalid_input"


class UnknownWriteKey(Unauthorized):
    code = "invalid_write_key"


class SourceDisabled(Forbidden):
    code = "source_disabled"


class EventNotFound(NotFound):
    code = "event_not_found"


class SourceNotFound(NotFound):
    code = "source_not_found"


class TerminalNotFound(NotFound):
    code = "terminal_not_found"


class StoreNotAllowed(Forbidden):
    code = "store_not_allowed"


class SourceExists(Conflict):
    code = "source_exists"


class BadIdentifier(InvalidInput):
    code = "invalid_identifier"


class PlanNotFound(NotFound):
    code = "plan_not_found"


class RefusalNotFound(NotFound):
    code = "refusal_not_found"


class AlreadyResolved(Conflict):
    code = "already_resolved"


class NotReplayable(Conflict):
    code = "not_replayable"


class BadMoment(InvalidInput):
    code = "invalid_moment"


class BadPlan(InvalidInput):
    code = "invalid_plan"


class RateLimited(TooMany):
    code = "rate_limited"
