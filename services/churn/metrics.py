"""What the churn service measures of itself, beside what every worker and API does."""

from prometheus_client import Counter, Gauge

RECEIPTS = Counter("churn_receipts_total", "Receipts really inserted, repeats left out.", ["kind"])
VOIDS = Counter("churn_voids_total", "Voids really inserted, repeats left out.")
ERASED = Counter("churn_erased_subjects_total", "Subjects whose facts were rewritten to guests.")
SCORINGS = Counter("churn_scorings_total", "Scorings run by this worker.", ["outcome"])
SCORED = Gauge("churn_scored_customers", "Customers of the last scoring.")
FEEDBACK = Counter("churn_warning_feedback_total", "Answers to warnings.", ["verdict"])
