"""The refusals of the profile service.

```
DomainError
├── NotFound
│   ├── CustomerNotFound     no customer has this id or identifier
│   ├── SegmentNotFound      no segment has this id
│   └── StoreNotFound        no receipt and no catalogue entry names this store
├── InvalidInput
│   └── InvalidLookup        the identifier cannot stand for a person
├── Forbidden
│   └── StoreNotServed       the key is for other stores
└── Unavailable
    └── ResolverAway         ingest, the only one to resolve identifiers, does not answer
```
"""

from shared.errors import Forbidden, InvalidInput, NotFound, Unavailable


class CustomerNotFound(NotFound):
    code = "customer_not_found"


class SegmentNotFound(NotFound):
    code = "segment_not_found"


class StoreNotFound(NotFound):
    code = "store_not_found"


class InvalidLookup(InvalidInput):
    code = "invalid_identifier"


class StoreNotServed(Forbidden):
    code = "store_not_served"


class ResolverAway(Unavailable):
    code = "resolver_away"
