"""The churn service of the sample."""
