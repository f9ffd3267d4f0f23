"""What the recommend service measures of itself, beside what every worker and API does."""

from prometheus_client import Counter, Gauge, Histogram

RECEIPTS = Counter("recommend_receipts_total", "Receipts really inserted, repeats left out.", ["kind"])
VOIDS = Counter("recommend_voids_total", "Receipts really taken back.")
ERASED = Counter("recommend_erased_subjects_total", "Subjects whose facts were rewritten to guests.")
ANSWERS = Counter("recommend_answers_total", "Lists answered.", ["placement", "fallback_level"])
DEGRADED = Counter("recommend_degraded_total", "Answers made without something that was away.", ["missing"])
RANK_SECONDS = Histogram(
    "recommend_rank_seconds",
    "Time of answering one list from memory.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
HISTORY_SECONDS = Histogram(
    "recommend_history_seconds",
    "Time of reading one customer's own purchases.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5),
)
REMEMBERED = Gauge("recommend_customers_remembered", "Customers in this process's memory.")
EVICTED = Counter("recommend_customers_evicted_total", "Customers that left memory because it was full.")
HISTORIES = Counter("recommend_histories_total", "Customers found for an answer, by where.", ["place"])
FOLLOW_SECONDS = Histogram(
    "recommend_follow_seconds",
    "Time of reading up to sixteen changed customers.",
    buckets=(0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2),
)
FOLLOWED_AT = Gauge("recommend_followed_timestamp_seconds", "When the database last told of changed customers.")
CUSTOMERS_TO_READ = Gauge("recommend_customers_to_read", "Customers found who are not in this memory yet.")
FOLLOW_FAILURES = Counter("recommend_follow_failures_total", "Looks for changed customers that failed.")
REFRESH_SECONDS = Histogram("recommend_refresh_seconds", "Time of reading the shelf into memory.")
REFRESHED_AT = Gauge("recommend_refreshed_timestamp_seconds", "When the shelf was last read into memory.")
BACKGROUND_FAILURES = Counter(
    "recommend_background_failures_total",
    "Rounds of what goes on beside answering that ended with a bug: refreshing, following, writing down.",
    ["work"],
)
MODEL_IN_USE = Gauge("recommend_model_in_use", "1 for the version that answers in this process.", ["version"])
MODEL_SWAPS = Counter("recommend_model_swaps_total", "Models put into use in this process.", ["outcome"])
VECTORS = Gauge("recommend_vectors", "Vectors of products, by how they are searched.", ["how"])
VECTORS_RECALL = Gauge(
    "recommend_vectors_recall",
    "Share of the true nearest that the index found when it was made; 1: all are compared.",
)
SHOWN_WAITING = Gauge("recommend_shown_waiting", "Shown lists that are not written down yet.")
SHOWN_DROPPED = Counter(
    "recommend_shown_dropped_total", "Shown lists lost: the database was away too long, or refuses them.", ["reason"]
)
EVENTS = Counter("recommend_events_total", "Reported impressions, clicks and their like.", ["action", "outcome"])
TRIALS_LEFT_OUT = Counter(
    "recommend_trials_left_out_total",
    "Lists left out of an experiment: its version is not in memory.",
    ["experiment"],
)
QUALITY_ALERT = Gauge(
    "recommend_quality_alert", "1 where a figure of the last week is worse than usual.", ["placement", "figure"]
)
TRAININGS = Counter("recommend_trainings_total", "Nightly trainings that ended.", ["outcome"])
TRAINING_FAILED = Gauge("recommend_training_failed", "1 where the last nightly training failed.")
RULES_UNREADABLE = Counter("recommend_rules_unreadable_total", "Kept rules that this code cannot read, left out.")
RULE_EFFECTS = Counter("recommend_rule_effects_total", "What rules did to lists.", ["kind", "outcome"])
EXPLORED = Counter("recommend_explored_total", "Lists with a new product in the slot for it.", ["placement"])


def say_in_use(version: str) -> None:
    """Tell which version answers in this process; the one before is told no more."""
    MODEL_IN_USE.clear()
    MODEL_IN_USE.labels(version).set(1)
