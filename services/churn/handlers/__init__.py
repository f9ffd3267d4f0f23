"""The use cases of the churn service: facts in, scorings, warnings out, models trained and chosen."""
