"""What the profile service measures of itself, beside what every worker and API does."""

from prometheus_client import Counter, Gauge, Histogram

RECEIPTS = Counter("profile_receipts_total", "Receipts really inserted, repeats left out.", ["kind"])
VOIDS = Counter("profile_voids_total", "Voids really inserted, repeats left out.")
ERASED = Counter("profile_erased_subjects_total", "Subjects whose facts were rewritten to guests.")
FORGOTTEN = Counter("profile_forgotten_moments_total", "Moments deleted because their events' bodies expire.")
REFRESHED = Counter("profile_refreshed_total", "Customers folded and sorted into segments.")
REFRESH_SECONDS = Histogram("profile_refresh_seconds", "Time of one refreshing transaction.")
DIRTY = Gauge("profile_dirty_customers", "Customers that waited for a refresh at the end of the last run.")
TRANSITIONS = Counter("profile_transitions_total", "Transitions said.", ["type"])
