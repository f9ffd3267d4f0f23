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
FOLLOW_FAILURES = Counter("recommend_follow_failures_total", "Looks for changed customers that failed.")
REFRESH_SECONDS = Histogram("recommend_refresh_seconds", "Time of reading the shelf into memory.")
REFRESHED_AT = Gauge("recommend_refreshed_timestamp_seconds", "When the shelf was last read into memory.")
REFRESH_FAILURES = Counter("recommend_refresh_failures_total", "Rounds of refreshing shelf or model that failed.")
MODEL_SWAPS = Counter("recommend_model_swaps_total", "Models put into use in this process.", ["outcome"])
VECTORS = Gauge("recommend_vectors", "Vectors of products, by how they are searched.", ["how"])
VECTORS_RECALL = Gauge(
    "recommend_vectors_recall",
    "Share of the true nearest that the index found when it was made; 1: all are compared.",
)
SHOWN_DROPPED = Counter("recommend_shown_dropped_total", "Shown lists not written: database away too long.")
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
