"""What campaign counts about itself: only after a commit or with an answer, as a transaction may be tried again.

Points have no counter: the ledger is theirs.
"""

from prometheus_client import Counter, Histogram

REDEMPTIONS = Counter(
    "campaign_redemptions_total", "Redemptions by outcome: applied, or the refusal's code.", ("outcome",)
)
ROLLBACKS = Counter("campaign_rollbacks_total", "Redemptions rolled back.")
DISCOUNT = Counter("campaign_discount_minor_total", "Discount given by redemptions, minor units.", ("currency",))
MESSAGES = Counter(
    "campaign_messages_total", "Messages by channel and state: sent, failed, suppressed.", ("channel", "state")
)
SEND_SECONDS = Histogram(
    "campaign_send_batch_seconds", "Time to claim, render, send and record one batch.", ("channel",)
)
