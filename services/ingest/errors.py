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
├── BadIdentifier        422
├── CustomerNotFound     404
├── ErasureNotFound      404
├── ExportNotFound       404
├── ErasureUnderWay      409
├── ErasureUnfinished    409
└── PersonalText         422
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
