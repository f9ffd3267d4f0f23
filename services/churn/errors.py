"""The refusals of the churn service.

```
DomainError
├── NotFound
│   ├── CustomerNotFound       no customer has this id
│   ├── ProfilingRefused       the customer withdrew consent to personalisation
│   ├── WarningNotFound        no warning has this id
│   ├── RequestNotFound        no scoring was asked for under this id
│   └── ModelNotFound          no model has this version
├── InvalidInput
│   └── AsOfInFuture           the day has not ended yet
├── Forbidden
│   └── StoreNotServed         the key is for other stores
└── Conflict
    ├── ModelRefused           the model's files cannot be used
    └── NothingToRollBackTo    no earlier model was in use
```
"""

from shared.errors import Conflict, Forbidden, InvalidInput, NotFound


class CustomerNotFound(NotFound):
    code = "customer_not_found"


class ProfilingRefused(NotFound):
    code = "profiling_refused"


class WarningNotFound(NotFound):
    code = "warning_not_found"


class RequestNotFound(NotFound):
    code = "request_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class AsOfInFuture(InvalidInput):
    code = "as_of_in_future"


class StoreNotServed(Forbidden):
    code = "store_not_served"


class ModelRefused(Conflict):
    code = "model_refused"


class NothingToRollBackTo(Conflict):
    code = "nothing_to_roll_back_to"
