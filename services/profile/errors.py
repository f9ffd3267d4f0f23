"""The refusals of the profile service.

```
DomainError
├── NotFound
│   ├── CustomerNotFound     no customer has this id or identifier
│   ├── SegmentNotFound      no segment has this id
│   └── StoreNotFound        no receipt and no catalogue entry names this store
└── Forbidden
    └── StoreNotServed       the key is for other stores
```

Of identifiers, `shared.customers.resolver` refuses what cannot stand for a person (`InvalidLookup`), and says when
ingest does not answer (`ResolverAway`).
"""

from shared.errors import Forbidden, NotFound


class CustomerNotFound(NotFound):
    code = "customer_not_found"


class SegmentNotFound(NotFound):
    code = "segment_not_found"


class StoreNotFound(NotFound):
    code = "store_not_found"


class StoreNotServed(Forbidden):
    code = "store_not_served"
