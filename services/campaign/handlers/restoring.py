"""After a restore: nothing goes out that may have gone out before, and a person is told what nobody can know."""

from collections.abc import Sequence
from datetime import datetime

from services.campaign.store.restoring import hold_back
from shared.db import Transaction


async def hold_what_may_be_out(tx: Transaction, now: datetime) -> Sequence[str]:
    """Hold back every message that the back-up has as unsent; return what to tell whoever restored it.

    Between the back-up and its restore some of them went out. To write to nobody twice is promised, to write to
    everybody is not.
    """
    held = await hold_back(tx, now)
    under_way = (
        f"{held.campaigns} campaigns were under way and are stopped; {held.messages} of their messages were unsent in"
        " the back-up, may have gone out since, and are suppressed as `restored`"
    )
    approved = (
        f"{held.plans} approved campaigns are drafts again: if one was started since, starting it again would write"
        " to the same people twice"
    )
    unknown = (
        "not known here: campaigns made since, coupons issued or redeemed since, points spent or adjusted since."
        " MessageSent, CouponRedeemed and PointsPosted of that time are in profile's timelines until it is rebuilt"
    )
    return under_way, approved, unknown
