"""Which events are moments of a person's timeline, and what is kept of each."""

from collections.abc import Mapping

MOMENT_FIELDS: Mapping[str, tuple[str, ...]] = {
    "ProductViewed": ("product_id", "list_id", "channel"),
    "ListViewed": ("list_id", "category_id"),
    "SearchPerformed": ("query", "results_count"),
    "CartChanged": ("change", "cart_id"),
    "CheckoutStarted": ("checkout_id", "value_minor", "currency"),
    "PageViewed": ("name", "path", "channel"),
    "Custom": ("name",),
    "SurveyAnswered": ("survey_id", "kind", "score", "scale_min", "scale_max", "text"),
    "ReviewWritten": ("review_id", "product_id", "rating", "title", "text"),
    "ComplaintOpened": ("complaint_id", "channel", "category", "severity", "text"),
    "InquiryOpened": ("inquiry_id", "channel", "category", "text"),
    "SocialMention": ("network", "text", "sentiment", "reach"),
    "WarningRaised": ("warning_id", "level", "probability_8w", "value_at_risk_minor", "currency", "reasons"),
    "WarningChanged": ("warning_id", "level", "previous_level", "probability_8w", "reasons"),
    "WarningClosed": ("warning_id", "outcome", "last_level"),
    "MessageDecided": ("message_id", "campaign_id", "decision", "reason", "channel", "arm"),
    "MessageSent": ("message_id", "campaign_id", "channel", "state", "reason"),
    "CouponIssued": ("coupon_id", "campaign_id", "starts_at", "expires_at"),
    "CouponRedeemed": ("redemption_id", "coupon_id", "campaign_id", "state", "discount_minor", "currency"),
    "PointsPosted": ("posting_id", "points", "kind", "receipt_id"),
    "TierChanged": ("from_tier", "to_tier"),
    "CaseChanged": ("case_id", "kind", "state", "title"),
}
"""What the timeline keeps of each event that is nothing but a moment in it."""
