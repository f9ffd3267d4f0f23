"""Services of the sample."""
