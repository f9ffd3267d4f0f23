"""The refusals of the recommend service.

```
DomainError
├── NotFound
│   ├── PlacementNotFound    no placement has this name
│   ├── RuleNotFound         no rule has this id
│   ├── ModelNotFound        no trained version has this name, or there is none to return to
│   └── ExperimentNotFound   no experiment has this id
├── InvalidInput
│   ├── InvalidQuestion      the request names something impossible
│   ├── InvalidRule          a rule, or a placement's settings, say something impossible
│   └── InvalidExperiment    the definition cannot be run, or not beside what runs
├── Forbidden
│   └── StoreNotServed       the key is for other stores
├── Conflict
│   ├── TooManyRules         there are as many rules as every list can be held to
│   ├── GateRefused          the version is worse than the one in use
│   ├── ModelChanged         the version that was to be left is not in use any more
│   ├── ExperimentExists     the id is taken
│   └── ExperimentRefused    not in this state, or not so many
└── Unavailable
    └── ModelUnreadable      a trained version's files are damaged
```

Identifiers that cannot stand for a person are refused by `shared.customers.resolver` (`InvalidLookup`).
Recommendations themselves are never refused because something is away: they are then less personal, and say so.
"""

from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable


class PlacementNotFound(NotFound):
    code = "placement_not_found"


class ModelNotFound(NotFound):
    code = "model_not_found"


class InvalidQuestion(InvalidInput):
    code = "invalid_request"


class StoreNotServed(Forbidden):
    code = "store_not_served"


class GateRefused(Conflict):
    code = "gate_refused"


class ModelChanged(Conflict):
    code = "model_changed"


class ModelUnreadable(Unavailable):
    code = "model_unreadable"


class ExperimentNotFound(NotFound):
    code = "experiment_not_found"


class InvalidExperiment(InvalidInput):
    code = "invalid_experiment"


class ExperimentExists(Conflict):
    code = "experiment_exists"


class ExperimentRefused(Conflict):
    code = "experiment_refused"


class RuleNotFound(NotFound):
    code = "rule_not_found"


class InvalidRule(InvalidInput):
    code = "invalid_rule"


class TooManyRules(Conflict):
    code = "too_many_rules"
