"""What campaign counts about itself."""

from prometheus_client import Counter, Histogram

REDEMPTIONS = Counter(
    "campaign_redemptions_total", "Redemptions by outcome: applied, or the refusal's code.", ("outcome",)
)
ROLLBACKS = Counter("campaign_rollbacks_total", "Redemptions rolled back.")
DISCOUNT = Counter("campaign_discount_minor_total", "Discount given by redemptions, minor units.", ("currency",))
MESSAGES = Counter(
    "campaign_messages_total", "Messages by channel and state: sent, failed, suppressed.", ("channel", "state")
)
POINTS = Counter("campaign_points_total", "Points moved, by kind; always positive.", ("kind",))
SEND_SECONDS = Histogram(
    "campaign_send_batch_seconds", "Time to claim, render, send and record one batch.", ("channel",)
)
