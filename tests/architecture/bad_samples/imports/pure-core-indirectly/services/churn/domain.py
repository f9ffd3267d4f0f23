import services.churn.errors
