"""What ingest answers when it says no to a whole request; single items are refused by `domain.faults`.

```
DomainError
├── MalformedBody        400  not JSON, not inflatable, not the documented outer shape (client-compatible routes)
├── UnreadableItems      422  the outer shape of a native body
├── UnknownWriteKey      401
├── SourceDisabled       403
├── EventNotFound        404
├── SourceNotFound       404
├── SourceExists         409
├── IdentityNotFound     404  no such subject or customer
├── DecisionNotFound     404
├── RelationNotFound     404
├── DecisionRefused      409  a decision about identifiers that could not be carried out; errors[0].code says why
├── ClaimLocked          409  a receipt with too many failed claims
├── ClaimNotProved       422  no such receipt, not a guest's, or the proof is wrong: not told apart
├── NotTheirs            422  subjects that are not the customer's, or are all of them
└── BadIdentifier        422
```
"""

from shared.errors import Conflict, Forbidden, InvalidInput, Malformed, NotFound, Unauthorized


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


class SourceExists(Conflict):
    code = "source_exists"


class BadIdentifier(InvalidInput):
    code = "invalid_identifier"


class IdentityNotFound(NotFound):
    code = "identity_not_found"


class NotTheirs(InvalidInput):
    code = "not_theirs"


class DecisionNotFound(NotFound):
    code = "decision_not_found"


class DecisionRefused(Conflict):
    code = "decision_refused"


class ClaimNotProved(InvalidInput):
    code = "claim_not_proved"


class ClaimLocked(Conflict):
    code = "claim_locked"


class RelationNotFound(NotFound):
    code = "relation_not_found"
