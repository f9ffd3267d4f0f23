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
├── IdentityNotFound     404  no such subject or customer
├── DecisionNotFound     404
├── RelationNotFound     404
├── DecisionRefused      409  a decision about identifiers that could not be carried out; errors[0].code says why
├── ClaimLocked          409  a receipt with too many failed claims
├── ClaimNotProved       422  no such receipt, not a guest's, or the proof is wrong: not told apart
├── NotTheirs            422  subjects that are not the customer's, or are all of them
├── AlreadyResolved      409
├── NotReplayable        409
├── BadIdentifier        422
├── BadMoment            422
├── BadPlan              422
├── RateLimited          429
├── ImportNotFound       404
├── ImportOver           409  started, cancelled or changed when it no longer can be
├── UnreadableImport     422  the file as a whole; its code says why
├── UploadStalled        400
├── TooManyImports       429
├── WrongSignature       401  of a webhook
├── SourceMayNot         403
├── CustomerNotFound     404
├── ErasureNotFound      404
├── ExportNotFound       404
├── ErasureUnderWay      409
├── ErasureUnfinished    409
└── PersonalText         422
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


class ImportNotFound(NotFound):
    code = "import_not_found"


class ImportOver(Conflict):
    code = "import_over"


class UnreadableImport(InvalidInput):
    code = "unreadable_file"


class UploadStalled(Malformed):
    code = "upload_stalled"


class TooManyImports(TooMany):
    code = "too_many_imports"


class WrongSignature(Unauthorized):
    code = "wrong_signature"


class SourceMayNot(Forbidden):
    code = "source_may_not"


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


class CustomerNotFound(NotFound):
    code = "customer_not_found"


class ErasureNotFound(NotFound):
    code = "erasure_not_found"


class ExportNotFound(NotFound):
    code = "export_not_found"


class ErasureUnderWay(Conflict):
    code = "erasure_under_way"


class ErasureUnfinished(Conflict):
    code = "erasure_unfinished"


class PersonalText(InvalidInput):
    code = "personal_text"
