"""The refusals of campaign.

```
DomainError
├── NotFound
│   ├── CampaignNotFound
│   ├── RedemptionNotFound
│   └── MemberNotFound
├── Conflict
│   ├── WrongState              the campaign's state does not allow the action
│   ├── NotConfigured           the channel has no server here
│   ├── PointsExceeded
│   ├── AlreadyRolledBack
│   └── RedemptionRefused       one subclass per `Reason`, whose code it carries
├── Forbidden
│   └── StoreNotAllowed
├── InvalidInput
│   ├── BadTemplate
│   └── BadIdentifier
└── Unavailable
    └── IngestAway              an identifier could not be resolved
```
"""

from collections.abc import Mapping, Sequence

from services.campaign.domain.coupons import Reason
from shared.errors import Conflict, Forbidden, InvalidInput, NotFound, Unavailable


class CampaignNotFound(NotFound):
    code = "campaign_not_found"


class RedemptionNotFound(NotFound):
    code = "redemption_not_found"


class MemberNotFound(NotFound):
    code = "member_not_found"


class WrongState(Conflict):
    code = "wrong_state"


class NotConfigured(Conflict):
    code = "channel_not_configured"


class PointsExceeded(Conflict):
    code = "points_exceeded"


class AlreadyRolledBack(Conflict):
    code = "already_rolled_back"


class RedemptionRefused(Conflict):
    """All or none: one coupon that does not apply refuses the whole redemption."""


class StoreNotAllowed(Forbidden):
    code = "store_not_allowed"


class BadTemplate(InvalidInput):
    code = "bad_template"


class BadIdentifier(InvalidInput):
    code = "bad_identifier"


class IngestAway(Unavailable):
    code = "ingest_away"


_REFUSALS: Mapping[Reason, type[RedemptionRefused]] = {
    reason: type(f"Refused_{reason.value}", (RedemptionRefused,), {"code": reason.value}) for reason in Reason
}


def refusal(reason: Reason, message: str, errors: Sequence[Mapping[str, object]]) -> RedemptionRefused:
    """Return the error whose code is the reason; `errors` has one item per coupon that does not apply."""
    return _REFUSALS[reason](message, errors=errors)
