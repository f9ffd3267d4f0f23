"""What the consuming loop measures of itself. Labels never hold a customer or a key."""

from prometheus_client import Counter, Gauge, Histogram

APPLIED = Counter("consumer_events_applied_total", "Events applied, each once.", ["service", "topic"])
REPEATS = Counter("consumer_repeats_total", "Records skipped because they were applied before.", ["service"])
FILLED = Counter("consumer_filled_total", "Events fetched from a producer's log to close a gap.", ["service"])
DEAD = Counter("consumer_dead_letters_total", "Events kept as dead letters.", ["service", "topic"])
FORKS = Counter("consumer_forks_total", "Lines stopped because the producer's history changed.", ["service"])
BATCH_SECONDS = Histogram(
    "consumer_batch_seconds",
    "Time of one batch: one transaction.",
    ["service"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10),
)
LAG_RECORDS = Gauge(
    "consumer_lag_records",
    "Numbered by the producers, not yet applied here.",
    ["service", "topic", "partition"],
)
LAG_SECONDS = Gauge(
    "consumer_lag_seconds",
    "Since when a line has not been level with its producer; 0 while it is.",
    ["service", "topic", "partition"],
)
PROGRESS_AT = Gauge("consumer_last_progress_timestamp", "When a position last moved, Unix seconds.", ["service"])
STANDING = Gauge("consumer_lines_standing", "Lines stopped by a brake or a fork.", ["service", "partition", "why"])
