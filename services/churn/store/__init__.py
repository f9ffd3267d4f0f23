"""All SQL of the churn service, named by intent."""
