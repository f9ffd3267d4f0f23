"""What orders products for a customer: candidates, features, the trained rankers; the same code trains and serves."""
