"""What the numbered log measures of itself."""

from prometheus_client import Counter, Gauge

LOG_NUMBERED = Counter("log_numbered_total", "Events that received their number.", ["service"])
LOG_WAITING = Gauge("log_waiting", "Events seen waiting for a number at the last look.", ["service"])
LOG_PUBLISHED = Counter("log_published_total", "Records that the broker acknowledged.", ["service"])
LOG_PUBLISH_FAILURES = Counter(
    "log_publish_failures_total", "Sends that the broker did not acknowledge; each is repeated.", ["service"]
)
LOG_UNPUBLISHED = Gauge("log_unpublished", "Numbered events that the broker has not acknowledged yet.", ["service"])
LOG_HOOK_FAILURES = Gauge(
    "log_hook_failures", "Events numbered without what their service does while numbering, which failed.", ["service"]
)
